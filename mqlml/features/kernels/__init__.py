"""Compiled window scans over sorted events."""
