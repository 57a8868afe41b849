"""Refusals in the vendor's envelope (books-v3.md section 3)."""

from __future__ import annotations


class BooksError(Exception):
    """A refusal: HTTP status, the vendor's code and the vendor's sentence."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(f"{status}/{code} {message}")
        self.status = status
        self.code = code
        self.message = message


def invalid(name: str) -> BooksError:
    """Code 2: a parameter or field holds something that cannot be."""
    return BooksError(400, 2, f"Invalid value passed for {name}")


def too_long(name: str, length: int) -> BooksError:
    """Code 15; the vendor's wording is unverified."""
    return BooksError(400, 15, f"Please ensure that the {name} has less than {length} characters.")


def not_found(noun: str) -> BooksError:
    """Code 1002 (items 2006): deleted, never existed, or of another organisation."""
    return BooksError(404, 2006 if noun == "Item" else 1002, f"{noun} does not exist.")


def bad_reference(noun: str) -> BooksError:
    """Code 6: the body names another record that is not there; the vendor's wording is unverified."""
    return BooksError(400, 6, f"{noun} does not exist.")


def name_taken(contact_type: str, name: str) -> BooksError:
    """Code 3062: another contact, active or not, holds the name."""
    return BooksError(400, 3062, f'The {contact_type} "{name}" already exists. Please specify a different name.')


def already_exists(what: str, value: str, code: int = 4) -> BooksError:
    """A unique value is taken. Code 4 covers some "already exists" cases, 1001 item names."""
    return BooksError(400, code, f'{what} "{value}" already exists.')


def has_transactions(noun: str, code: int = 1004) -> BooksError:
    """Codes 1004 and 36: the record is used by others and cannot be deleted."""
    return BooksError(400, code, f"The {noun} cannot be deleted as it is involved in transactions.")


def illegal_move(status: str, wanted: str) -> BooksError:
    """A change that a document's status forbids (code and wording unverified)."""
    return BooksError(400, 4, f"A document in status {status} cannot be {wanted}.")
