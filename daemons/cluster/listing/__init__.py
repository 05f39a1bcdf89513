"""What the listing commands print: the configuration in the product's layouts. Pure; ``commands`` is the shell."""
