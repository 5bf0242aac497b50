"""Who is where: roles that are made, copies that straddle them, and whether the split can be trusted."""
