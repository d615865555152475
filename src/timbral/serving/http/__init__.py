"""What happens to every HTTP request before and after its route: ids, logs, limits of size and time."""
