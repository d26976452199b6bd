"""What attributes say: job titles, mail domains, company sizes, phone numbers, conditions on them."""
