"""The calls for documents: wiki/v2, docx/v1 and drive/v1."""

from __future__ import annotations

from tests.app.feishu.platform.calls import Asked, Json, Refused, Reply, answered, invalid_field
from tests.app.feishu.platform.documents import Entry, Node, Space
from tests.app.feishu.platform.pages import page_of
from tests.app.feishu.platform.resources import download
from tests.app.feishu.platform.state import State

SITE = "https://example.feishu.cn"


def spaces(state: State, asked: Asked) -> Reply:
    """Those of which the app is a member."""
    found = [_space_seen(one) for one in list(state.documents.spaces.values()) if one.member]
    return answered(page_of(found, asked, largest=50, usual=20, empty_first=state.empty_pages))


def space(state: State, asked: Asked) -> Reply:
    return answered({"space": _space_seen(_space(state, asked.path["space_id"]))})


def nodes(state: State, asked: Asked) -> Reply:
    """Below a node, or at the top; what the app may not read is left out."""
    where = _space(state, asked.path["space_id"])
    parent = asked.query.get("parent_node_token", "")
    if parent and parent not in where.nodes:
        raise _no_node()
    if parent and not where.nodes[parent].thing.readable:
        raise _denied()
    found = [_node_seen(where, one) for one in where.children(parent) if one.thing.readable]
    return answered(page_of(found, asked, largest=50, usual=10, empty_first=state.empty_pages))


def node(state: State, asked: Asked) -> Reply:
    """By its own token, or by its document's and the type of that."""
    token, type_ = asked.query.get("token", ""), asked.query.get("obj_type", "wiki")
    for where in list(state.documents.spaces.values()):
        for one in list(where.nodes.values()):
            by_document = one.origin is None and (one.thing.token, one.thing.type) == (token, type_)
            if (type_ == "wiki" and one.token == token) or by_document:
                if not (where.member and one.thing.readable):
                    raise _denied()
                return answered({"node": _node_seen(where, one)})
    raise _no_node()


def document(state: State, asked: Asked) -> Reply:
    thing = state.documents.get(asked.path["document_id"], "docx", missing=_no_docx(), forbidden=_closed_docx())
    about = {"document_id": thing.token, "revision_id": thing.revision, "title": thing.title}
    return answered({"document": about})


def raw(state: State, asked: Asked) -> Reply:
    thing = state.documents.get(asked.path["document_id"], "docx", missing=_no_docx(), forbidden=_closed_docx())
    return answered({"content": thing.content})


def blocks(state: State, asked: Asked) -> Reply:
    thing = state.documents.get(asked.path["document_id"], "docx", missing=_no_docx(), forbidden=_closed_docx())
    return answered(page_of(thing.blocks, asked, largest=500, usual=500, empty_first=state.empty_pages))


def files(state: State, asked: Asked) -> Reply:
    """Of a folder, not of those within; the app's own root without a token."""
    token = asked.query.get("folder_token", "")
    folder = state.documents.folders.get(token)
    if folder is None:
        if token:
            raise Refused(1061003, "not found.", http=404)
        return answered({"files": [], "has_more": False})
    if not folder.member:
        raise _forbidden_file()
    found = [
        _entry_seen(one, token) for one in list(folder.entries.values()) if one.thing is None or one.thing.readable
    ]
    page = page_of(
        found, asked, largest=200, usual=100, empty_first=state.empty_pages, items="files", token="next_page_token"
    )
    return answered(page)


def file(state: State, asked: Asked) -> Reply:
    missing = Refused(1061003, "not found.", http=404)
    thing = state.documents.get(asked.path["file_token"], "file", missing=missing, forbidden=_forbidden_file())
    return download(thing.data, thing.title)


def metas(state: State, asked: Asked) -> Reply:
    """What is known of some documents; those that cannot be read come apart."""
    wanted = asked.body.get("request_docs")
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= 200:
        raise invalid_field("request_docs")
    found, failed = [], []
    for one in wanted:
        thing = state.documents.things.get(one.get("doc_token", ""))
        if thing is None or not thing.readable or thing.type != one.get("doc_type"):
            failed.append({"token": one.get("doc_token", ""), "code": 970005 if thing is None else 970003})
            continue
        found.append(
            {
                "doc_token": thing.token,
                "doc_type": thing.type,
                "title": thing.title,
                "create_time": str(thing.created_s),
                "latest_modify_time": str(thing.edited_s),
                "url": f"{SITE}/{thing.type}/{thing.token}",
            }
        )
    return answered({"metas": found, "failed_list": failed})


def _space(state: State, space_id: str) -> Space:
    found = state.documents.spaces.get(space_id)
    if found is None:
        raise Refused(131002, "param err: space_id is not exist")
    if not found.member:
        raise _denied()
    return found


def _space_seen(where: Space) -> Json:
    about = {"name": where.name, "description": "", "space_type": "team", "visibility": "private"}
    return {**about, "space_id": where.space_id, "open_sharing": "closed"}


def _node_seen(where: Space, one: Node) -> Json:
    origin = one.origin or one
    return {
        "space_id": where.space_id,
        "node_token": one.token,
        "obj_token": one.thing.token,
        "obj_type": one.thing.type,
        "parent_node_token": one.parent,
        "node_type": "shortcut" if one.origin else "origin",
        "origin_node_token": origin.token,
        "origin_space_id": origin.space_id,
        "has_child": bool(where.children(one.token)),
        "title": one.thing.title,
        "obj_create_time": str(one.thing.created_s),
        "obj_edit_time": str(one.thing.edited_s),
        "node_create_time": str(one.thing.created_s),
        "creator": "ou_0",
        "owner": "ou_0",
        "node_creator": "ou_0",
    }


def _entry_seen(one: Entry, parent: str) -> Json:
    seen: Json = {"token": one.token, "name": one.name, "type": one.type, "parent_token": parent, "owner_id": "ou_0"}
    seen["url"] = f"{SITE}/{'drive/folder' if one.type == 'folder' else one.type}/{one.token}"
    if one.thing is not None:
        seen |= {"created_time": str(one.thing.created_s), "modified_time": str(one.thing.edited_s)}
    if one.target is not None:
        seen["shortcut_info"] = {"target_type": one.target[0], "target_token": one.target[1]}
    return seen


def _denied() -> Refused:
    return Refused(131006, "permission denied: node permission denied, tenant needs read permission.")


def _no_node() -> Refused:
    return Refused(131005, "not found: document is not in wiki")


def _no_docx() -> Refused:
    return Refused(1770002, "not found", http=404)


def _closed_docx() -> Refused:
    return Refused(1770032, "forBidden", http=403)


def _forbidden_file() -> Refused:
    return Refused(1061004, "forbidden.", http=403)
