"""What people look at: tables of errors, plots, pages."""
