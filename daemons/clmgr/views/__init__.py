"""What is shown to people: reports, logs, cldisp."""
