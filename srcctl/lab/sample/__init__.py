"""The sample application that a new lab's cluster keeps highly available."""
