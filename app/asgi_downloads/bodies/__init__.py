"""What can be sent: things that give pieces of a known length, or blocks without one."""
