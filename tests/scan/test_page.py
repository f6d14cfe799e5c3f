"""The scan page as a browser opens it."""

import urllib.request

from playwright.sync_api import Page, expect

from tests.scan.conftest import CheckAccessibility


def test_it_opens_without_a_complaint(
    page: Page, address: str, check_accessibility: CheckAccessibility
) -> None:
    page.goto(f"{address}/scan/")
    expect(page.get_by_role("link", name="Scan")).to_be_visible()
    check_accessibility(page)


def test_the_address_without_a_slash_leads_to_it(address: str) -> None:
    with urllib.request.urlopen(f"{address}/scan") as answer:
        assert answer.url == f"{address}/scan/"
