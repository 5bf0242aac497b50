"""What commands.new_source concludes of files, and how it writes and shows that."""
