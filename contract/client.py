"""Uses a generated client, as it is, for what people do with the service.

`cargo xtask contract` generates it from the OpenAPI document and runs this:

    python client.py URL TOKEN

It fails at the first thing that is not as the document says.
"""

import json
import sys
import time
from http import HTTPStatus

from items_api_client import AuthenticatedClient, Client
from items_api_client.api.audit import (
    count_audit_records,
    export_audit_records,
    get_audit_record,
    list_audit_records,
)
from items_api_client.api.items import create_item, delete_item, get_item, list_items, patch_item
from items_api_client.api.service import metrics, ready
from items_api_client.models import (
    AuditStats,
    CountAuditRecordsByItem,
    ExportAuditRecordsFormat,
    Item,
    ItemPatch,
    ListAuditRecordsOrder,
    NewItem,
    NewItemAttributesType0,
    Outcome,
    Problem,
    Record,
    RecordPage,
)
from items_api_client.types import UNSET

ITEMS = 7


def created(client):
    """Makes items, and gives back the last one."""
    for number in range(ITEMS):
        attributes = NewItemAttributesType0.from_dict({"colour": "red", "password": "hunter2"})
        body = NewItem(name=f"Teapot {number}", price=12.5, attributes=attributes)
        item = create_item.sync(client=client, body=body)
        assert isinstance(item, Item), item
        assert item.price == 12.5 and item.description is None
    return item


def pages(client, **filters):
    """All records of a query, page by page."""
    cursor = UNSET
    while True:
        page = list_audit_records.sync(client=client, limit=3, cursor=cursor, **filters)
        assert isinstance(page, RecordPage), page
        yield from page.records
        if page.next_ is None:
            return
        cursor = page.next_


def main(url, token):
    client = AuthenticatedClient(base_url=url, token=token)

    item = created(client)
    assert get_item.sync(client=client, item_id=item.id) == item
    changed = patch_item.sync(client=client, item_id=item.id, body=ItemPatch(name="Pot"))
    assert changed.name == "Pot" and changed.attributes == item.attributes
    assert len(list_items.sync(client=client, limit=ITEMS).items) == ITEMS

    filters = {
        "action": ["create_*"],
        "outcome": [Outcome.SUCCESS],
        "status": ["201", "5xx"],
        "method": ["POST"],
        "route": ["/items/"],
        "q": ["teapot"],
        "from_": "-1h",
        "order": ListAuditRecordsOrder.ASC,
    }
    # Records arrive a moment after their responses.
    for _ in range(100):
        records = list(pages(client, **filters))
        if len(records) == ITEMS:
            break
        time.sleep(0.1)
    assert len({record.id for record in records}) == ITEMS, records
    last = records[-1]
    assert last.resource.id == str(item.id)
    assert last.request["attributes"]["password"] == "[REDACTED]", last.request

    one = get_audit_record.sync(client=client, id=last.id)
    assert isinstance(one, Record) and one == last

    stats = count_audit_records.sync(
        client=client, by=[CountAuditRecordsByItem.ACTION], action=["create_item"], from_="-1h"
    )
    assert isinstance(stats, AuditStats), stats
    assert stats.total == ITEMS
    assert [(value.value, value.count) for value in stats.by.action] == [("create_item", ITEMS)]

    exported = export_audit_records.sync(
        client=client, format_=ExportAuditRecordsFormat.NDJSON, action=["create_item"]
    )
    lines = [Record.from_dict(json.loads(line)) for line in exported.splitlines()]
    assert lines == records
    rest = export_audit_records.sync(client=client, action=["create_item"], after=records[0].id)
    assert len(rest.splitlines()) == ITEMS - 1

    deleted = delete_item.sync_detailed(client=client, item_id=item.id)
    assert deleted.status_code == HTTPStatus.NO_CONTENT
    missing = get_item.sync(client=client, item_id=item.id)
    assert isinstance(missing, Problem) and missing.status == 404, missing

    nobody = Client(base_url=url)
    refused = list_audit_records.sync(client=nobody)
    assert isinstance(refused, Problem) and refused.code == "missing_credentials", refused
    wrong = list_audit_records.sync(client=client, status=["6xx"])
    assert isinstance(wrong, Problem) and wrong.code == "invalid_parameter", wrong
    assert ready.sync(client=nobody).status == "ready"
    assert "audit_" in metrics.sync(client=nobody)


if __name__ == "__main__":
    main(*sys.argv[1:])
