"""renkei keeps Zoho CRM and Zoho Books or Zoho Invoice in step."""

__version__ = "0.1.0"
