"""The organisation around the records: users, roles, profiles, currencies (crm-v8.md sections 7.5 and 8)."""

from __future__ import annotations

from typing import Any

ORG_ID = "5545974000000020001"
ZGID = "5545974000000020003"
SYNC_USER = "5545974000000411009"
HUMAN_USER = "5545974000000411001"
ROLE_CEO = {"name": "CEO", "id": "5545974000000026005"}
ROLE_MANAGER = {"name": "Manager", "id": "5545974000000026008"}
ADMINISTRATOR = "5545974000000026011"
STANDARD = "5545974000000026014"
FINANCE = "5545974000000026017"


def fixed_id(number: int) -> str:
    """The id of a thing that every organisation has, below the ids of records."""
    return str(5545974000000000000 + number)


def plural(module: str) -> str:
    return module.replace("_", " ")


def profiles() -> dict[str, dict[str, Any]]:
    """Profiles by id."""
    rows = ((ADMINISTRATOR, "Administrator", False), (STANDARD, "Standard", False), (FINANCE, "Finance", True))
    return {
        id: {
            "id": id,
            "name": name,
            "display_label": name,
            "api_name": name,
            "custom": custom,
            "default": name == "Standard",
            "type": "normal_profile",
            "description": f"{name} profile",
            "category": custom,
            "created_time": "2025-04-01T00:00:00+09:00",
            "modified_time": "2025-04-01T00:00:00+09:00",
            "created_by": {"name": "Hana Mori", "id": "5545974000000411007"},
            "modified_by": {"name": "Hana Mori", "id": "5545974000000411007"},
        }
        for id, name, custom in rows
    }


def users(time_zone: str) -> dict[str, dict[str, Any]]:
    """Users by id: two salespeople, one of finance, one administrator, the sync user, and one deleted."""
    rows = (
        (HUMAN_USER, "Mei", "Sato", "mei.sato@example.jp", STANDARD, ROLE_MANAGER, "active"),
        ("5545974000000411003", "Ken", "Tanaka", "ken.tanaka@example.jp", STANDARD, ROLE_MANAGER, "active"),
        ("5545974000000411005", "Yuko", "Suzuki", "yuko.suzuki@example.jp", FINANCE, ROLE_MANAGER, "active"),
        ("5545974000000411007", "Hana", "Mori", "hana.mori@example.jp", ADMINISTRATOR, ROLE_CEO, "active"),
        (SYNC_USER, "Sync", "User", "sync@example.jp", ADMINISTRATOR, ROLE_CEO, "active"),
        ("5545974000000411011", "Jun", "Abe", "jun.abe@example.jp", STANDARD, ROLE_MANAGER, "deleted"),
    )
    names = {id: profile["name"] for id, profile in profiles().items()}
    return {
        id: {
            "id": id,
            "first_name": first,
            "last_name": last,
            "full_name": f"{first} {last}",
            "email": email,
            "status": status,
            "confirm": status == "active",
            "time_zone": time_zone,
            "locale": "ja_JP",
            "language": "ja_JP",
            "country": "JP",
            "country_locale": "ja_JP",
            "time_format": "HH:mm",
            "date_format": "MMM d, yyyy",
            "role": role,
            "profile": {"name": names[profile], "id": profile},
            "zuid": str(60000000000 + n),
            "microsoft": False,
            "type__s": "Regular User",
            "category": "regular_user",
            "personal_account": False,
            "Isonline": False,
        }
        for n, (id, first, last, email, profile, role, status) in enumerate(rows)
    }


def organisation(time_zone: str, base_currency: str) -> dict[str, Any]:
    """The organisation as GET /org shows it."""
    symbols = {"JPY": "¥", "USD": "$", "EUR": "€", "GBP": "£"}
    return {
        "id": ORG_ID,
        "zgid": ZGID,
        "company_name": "Renkei Sandbox",
        "alias": None,
        "primary_email": "hana.mori@example.jp",
        "time_zone": time_zone,
        "currency": {"JPY": "Japanese Yen"}.get(base_currency, base_currency),
        "currency_symbol": symbols.get(base_currency, base_currency),
        "currency_locale": "ja_JP",
        "iso_code": base_currency,
        "mc_status": True,
        "gapps_enabled": False,
        "type": "production",
        "call_icon": "telephone",
        "checkin_preferences": {"restricted_event_types": ""},
        "city": None,
        "deletable_org_account": True,
        "description": None,
        "ezgid": "60000000000",
        "fax": None,
        "hierarchy_preferences": {"type": "Role_Hierarchy", "strictly_reporting": False},
        "hipaa_compliance_enabled": False,
        "lite_users_enabled": False,
        "max_per_page": 200,
        "mobile": None,
        "oauth_presence": True,
        "phone": "03-0000-0000",
        "photo_id": None,
        "primary_zuid": "60000000003",
        "privacy_settings": False,
        "state": None,
        "street": None,
        "translation_enabled": False,
        "website": "https://example.jp",
        "zia_portal_id": None,
        "zia_zgid": 0,
        "zip": None,
        "domain_name": "org808232144",
        "country": "JP",
        "country_code": "JP",
        "license_details": {
            "paid": True,
            "paid_type": "enterprise",
            "paid_expiry": "2030-03-31T00:00:00+09:00",
            "trial_type": None,
            "trial_action": "",
            "trial_expiry": None,
            "users_license_purchased": 10,
        },
    }


def currencies(base: str) -> list[dict[str, Any]]:
    """The active currencies, base first. `exchange_rate`: how much of the base one unit is worth, as text."""
    rates = {"JPY": 1.0, "USD": 150.0, "EUR": 165.0}
    names = {"JPY": ("Japanese Yen", "¥", 0), "USD": ("US Dollar", "$", 2), "EUR": ("Euro", "€", 2)}
    if base not in rates:
        rates, names = {**rates, base: 100.0}, {**names, base: (base, base, 2)}
    codes = [base, *(code for code in rates if code != base)]
    admin = {"name": "Hana Mori", "id": "5545974000000411007"}
    return [
        {
            "id": fixed_id(780002 + 2 * n),
            "name": f"{names[code][0]} - {code}",
            "iso_code": code,
            "symbol": names[code][1],
            "is_base": code == base,
            "is_active": True,
            "exchange_rate": f"{rates[code] / rates[base]:.9f}",
            "prefix_symbol": True,
            "format": {
                "decimal_separator": "Period",
                "thousand_separator": "Comma",
                "decimal_places": str(names[code][2]),
            },
            "created_time": "2025-04-01T00:00:00+09:00",
            "modified_time": "2025-04-01T00:00:00+09:00",
            "created_by": admin,
            "modified_by": admin,
        }
        for n, code in enumerate(codes)
    ]
