"""Zoho CRM REST API v8, written from crm-v8.md."""
