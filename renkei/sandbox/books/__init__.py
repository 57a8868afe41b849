"""Zoho Books v3 and Zoho Invoice v3 as the sandbox serves them (books-v3.md)."""
