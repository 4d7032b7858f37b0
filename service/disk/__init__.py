"""What disks have room for, and what their errors mean."""
