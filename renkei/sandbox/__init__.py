"""Zoho CRM v8, Books v3, Invoice v3 and OAuth as they answer in life, on one loopback port (design.md section 6)."""
