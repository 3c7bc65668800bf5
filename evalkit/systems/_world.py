"""A small shop as an environment for agents: customers, orders, products and tickets, changed only through tools."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from typing import Any

from evalkit.core.keys import digest

_FIRST = ("Ada", "Bela", "Carla", "Dimitri", "Edda", "Farid", "Gesa", "Henk", "Ilse", "Jonas", "Kaja", "Luca")
_LAST = ("Arendt", "Bruns", "Conti", "Dahl", "Elster", "Falk", "Grau", "Holm", "Iversen", "Jost", "Keller", "Lind")
_TOWNS = ("Bremen", "Graz", "Ghent", "Turku", "Porto", "Lund")
_GOODS = (
    ("KT-1", "electric kettle", 39), ("KT-2", "glass teapot", 24), ("LP-1", "reading lamp", 55),
    ("LP-2", "desk lamp", 42), ("BK-1", "field notebook", 9), ("BK-2", "sketchbook", 14), ("RG-1", "wool rug", 120),
    ("CH-1", "folding chair", 48), ("MG-1", "stoneware mug", 12), ("TW-1", "linen towel", 18),
)  # fmt: skip
STATUSES = ("open", "shipped", "delivered", "cancelled")
MOST_CREDIT = 50
State = dict[str, Any]


class Refused(Exception):
    """A tool says no; the state stays as it was."""


def initial(seed: int) -> State:
    """The shop before anybody has asked: 12 customers, 10 products, 24 orders; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - a shop, no secret
    customers = {
        f"C{n + 1:02d}": {"name": f"{first} {last}", "town": chance.choice(_TOWNS), "credit": 0}
        for n, (first, last) in enumerate(zip(_FIRST, chance.sample(_LAST, len(_LAST)), strict=True))
    }
    products = {
        sku: {"name": name, "price": price, "stock": chance.choice((0, 2, 5, 9))} for sku, name, price in _GOODS
    }
    orders = {}
    for n in range(24):
        chosen = chance.sample(sorted(products), chance.randint(1, 2))
        items = [{"sku": sku, "quantity": chance.randint(1, 3)} for sku in chosen]
        who = sorted(customers)[n % len(customers)]
        status, town = STATUSES[chance.choice((0, 0, 1, 2, 2))], customers[who]["town"]
        orders[f"A{101 + n}"] = {"customer": who, "items": items, "status": status, "town": town}
    return {"customers": customers, "products": products, "orders": orders, "tickets": []}


def _customer(state: State, customer_id: str) -> Mapping[str, Any]:
    return _there(state["customers"], customer_id, "customer")


def _order(state: State, order_id: str) -> dict[str, Any]:
    return _there(state["orders"], order_id, "order")


def _product(state: State, sku: str) -> dict[str, Any]:
    return _there(state["products"], sku, "product")


def _there(table: Mapping[str, Any], key: str, what: str) -> dict[str, Any]:
    if key not in table:
        raise Refused(f"there is no {what} {key}")
    found: dict[str, Any] = table[key]
    return found


def _open(state: State, order_id: str) -> dict[str, Any]:
    order = _order(state, order_id)
    if order["status"] != "open":
        raise Refused(f"order {order_id} is {order['status']}; only open orders can be changed")
    return order


def find_customer(state: State, name: str) -> Any:
    """Customers whose name contains the text."""
    found = {key: who for key, who in state["customers"].items() if name.lower() in who["name"].lower()}
    if not found:
        raise Refused(f"nobody is called {name}")
    return found


def list_orders(state: State, customer_id: str) -> Any:
    """All orders of a customer."""
    _customer(state, customer_id)
    return {key: order for key, order in state["orders"].items() if order["customer"] == customer_id}


def get_order(state: State, order_id: str) -> Any:
    """One order."""
    return _order(state, order_id)


def find_product(state: State, name: str) -> Any:
    """Products whose name contains the text."""
    found = {sku: thing for sku, thing in state["products"].items() if name.lower() in thing["name"].lower()}
    if not found:
        raise Refused(f"there is no product called {name}")
    return found


def cancel_order(state: State, order_id: str) -> Any:
    """Cancel an open order; its items go back into stock."""
    order = _open(state, order_id)
    for item in order["items"]:
        _product(state, item["sku"])["stock"] += item["quantity"]
    order["status"] = "cancelled"
    return {"cancelled": order_id}


def change_town(state: State, order_id: str, town: str) -> Any:
    """Send an open order to another town."""
    _open(state, order_id)["town"] = town
    return {"order": order_id, "town": town}


def change_quantity(state: State, order_id: str, sku: str, quantity: int) -> Any:
    """Change how many of a product an open order has."""
    order = _open(state, order_id)
    item = next((one for one in order["items"] if one["sku"] == sku), None)
    if item is None or quantity < 1:
        raise Refused(f"order {order_id} has no {sku}" if item is None else "a quantity is 1 or more")
    thing = _product(state, sku)
    if thing["stock"] < quantity - item["quantity"]:
        raise Refused(f"only {thing['stock']} more {sku} in stock")
    thing["stock"] -= quantity - item["quantity"]
    item["quantity"] = quantity
    return {"order": order_id, "sku": sku, "quantity": quantity}


def place_order(state: State, customer_id: str, sku: str, quantity: int) -> Any:
    """Place an order for a customer; it goes to the customer's town."""
    who, thing = _customer(state, customer_id), _product(state, sku)
    if not 1 <= quantity <= thing["stock"]:
        raise Refused(f"only {thing['stock']} {sku} in stock")
    thing["stock"] -= quantity
    key = f"A{101 + len(state['orders'])}"
    items = [{"sku": sku, "quantity": quantity}]
    state["orders"][key] = {"customer": customer_id, "items": items, "status": "open", "town": who["town"]}
    return {"order": key}


def return_order(state: State, order_id: str) -> Any:
    """Take a delivered order back."""
    order = _order(state, order_id)
    if order["status"] != "delivered":
        raise Refused(f"order {order_id} is {order['status']}; only delivered orders can be returned")
    order["status"] = "returned"
    return {"returned": order_id}


def give_credit(state: State, customer_id: str, amount: int) -> Any:
    """Give a customer credit, at most 50 euros in all."""
    who = _there(state["customers"], customer_id, "customer")
    if not 0 < amount <= MOST_CREDIT - who["credit"]:
        raise Refused(f"at most {MOST_CREDIT} euros of credit; {who['credit']} were given")
    who["credit"] += amount
    return {"customer": customer_id, "credit": who["credit"]}


def open_ticket(state: State, customer_id: str, topic: str) -> Any:
    """Hand a matter over to a person."""
    _customer(state, customer_id)
    if topic not in TOPICS:
        raise Refused(f"topic must be one of {', '.join(TOPICS)}")
    state["tickets"].append({"customer": customer_id, "topic": topic})
    return {"ticket": len(state["tickets"])}


TOPICS = ("damage", "invoice", "delivery", "other")
_TOOLS: tuple[Callable[..., Any], ...] = (
    find_customer, list_orders, get_order, find_product, cancel_order, change_town, change_quantity, place_order,
    return_order, give_credit, open_ticket,
)  # fmt: skip
_BY_NAME = {tool.__name__: tool for tool in _TOOLS}
_KINDS = {"quantity": int, "amount": int}


def tools() -> list[dict[str, Any]]:
    """What the shop offers, as tools with a JSON Schema each."""
    return [
        {
            "name": tool.__name__,
            "description": (tool.__doc__ or "").strip(),
            "parameters": {
                "type": "object",
                "properties": {name: _schema(name) for name in _parameters(tool)},
                "required": _parameters(tool),
                "additionalProperties": False,
            },
        }
        for tool in _TOOLS
    ]


def _parameters(tool: Callable[..., Any]) -> list[str]:
    return [name for name in tool.__annotations__ if name not in ("state", "return")]


def _schema(name: str) -> dict[str, Any]:
    return (
        {"type": "string", "enum": list(TOPICS)}
        if name == "topic"
        else {"type": "integer" if name in _KINDS else "string"}
    )


class World:
    """One shop during one task."""

    def __init__(self, seed: int) -> None:
        self.state = initial(seed)

    def call(self, name: str, arguments: Mapping[str, Any] | None) -> Any:
        """The result of a tool, or {"error": ...} with the state unchanged."""
        tool = _BY_NAME.get(name)
        if tool is None:
            return {"error": f"there is no tool {name}; there are: {', '.join(_BY_NAME)}"}
        wrong = _wrong(tool, arguments)
        if wrong is not None or arguments is None:
            return {"error": f"{name}: {wrong}"}
        before = copy.deepcopy(self.state)
        try:
            return copy.deepcopy(tool(self.state, **arguments))
        except Refused as said:
            self.state = before
            return {"error": str(said)}

    @property
    def hash(self) -> str:
        """The content hash of the state."""
        return digest(self.state)


def _wrong(tool: Callable[..., Any], arguments: Mapping[str, Any] | None) -> str | None:
    if arguments is None:
        return "the arguments are no JSON object"
    names = _parameters(tool)
    odd = sorted(set(arguments) ^ set(names))
    if odd:
        return f"{odd[0]!r} is {'missing' if odd[0] in names else 'unknown'}; it takes {', '.join(names)}"
    for name in names:
        kind = _KINDS.get(name, str)
        if not isinstance(arguments[name], kind) or isinstance(arguments[name], bool):
            return f"{name} must be {'a whole number' if kind is int else 'text'}"
    return None
