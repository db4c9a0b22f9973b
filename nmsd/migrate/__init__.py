"""Mail from elsewhere into the store, and out of it: Maildir and mbox trees."""
