"""One set of CAs for all tests: RSA keys take a moment."""

import pytest

from kubeon.pki.authorities import Authorities, new_authorities
from kubeon.spec.versions import ca_validity
from tests.pki.factories import CENTURY, NOW


@pytest.fixture(scope="session")
def authorities() -> Authorities:
    """CAs of a cluster whose certificates live for a hundred years."""
    return new_authorities(ca_validity(CENTURY), NOW)
