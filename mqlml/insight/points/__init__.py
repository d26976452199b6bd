"""A points table for a CRM, and what helps before there is a model."""
