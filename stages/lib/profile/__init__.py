"""What people look at before they train: the tables of the profile, and what stands out in them."""
