"""One customer, by what a person types."""

from customers.models import Customer


class NobodyFound(LookupError):
    """No customer has this id or address."""


def find(text: str) -> Customer:
    """Give the customer with an external id or an e-mail address. Raises NobodyFound."""
    plain = text.strip().replace("\x00", "")
    found = Customer.objects.filter(external_id=plain).first() or Customer.objects.filter(email=plain.lower()).first()
    if found is None or not plain:
        raise NobodyFound(f"No customer has the id or the e-mail address “{plain}”.")
    return found
