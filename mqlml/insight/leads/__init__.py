"""One lead explained, and open leads summed up."""
