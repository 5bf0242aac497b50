"""What goes wrong, where and why: tables of examples, labels, slices."""
