"""What lies on disk: run directories, plans, checkpoints, tables; written whole or not at all, read with care."""
