"""Smart brush, box and clicks: how long they take, and how near the truth they come."""
