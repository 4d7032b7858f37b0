"""What is seen to before a program starts: variables, folders, and whether it can work at all."""
