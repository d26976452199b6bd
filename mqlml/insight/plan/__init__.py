"""How many leads and MQLs more customers take."""
