"""The console: pages for administrators, and metrics, served over TLS by a worker of their own."""
