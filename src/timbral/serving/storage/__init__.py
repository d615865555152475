"""What outlives the process: records in a database, files in an object store."""
