"""``openstack user``, ``project`` and ``role`` as an administrator types them."""

import json

from clients import Account

JSON = ("-f", "json")


def names(account: Account, *command: str) -> set[str]:
    return {row["Name"] for row in account.openstack(*command, *JSON).json}


def test_people_from_their_creation_to_their_deletion(admin: Account) -> None:
    run = admin.openstack
    project = run("project", "create", "books", "--description", "a shelf", "--tag", "paper", *JSON).json
    assert (project["name"], project["description"], project["enabled"]) == ("books", "a shelf", True)
    user = run(
        *("user", "create", "ann", "--password", "anns secret", "--email", "ann@x.test"),
        *("--project", "books", "--domain", "Default", *JSON),
    ).json
    assert (user["name"], user["email"], user["default_project_id"]) == ("ann", "ann@x.test", project["id"])
    assert {"admin", "ann"} <= names(admin, "user", "list")
    assert {"books", "demo"} <= names(admin, "project", "list", "--long")
    assert {"admin", "member", "reader"} <= names(admin, "role", "list")
    assert run("domain", "show", "default", *JSON).json["name"] == "Default"

    run("role", "add", "member", "--user", "ann", "--project", "books")
    listed = run("role", "assignment", "list", "--names", "--user", "ann", "--project", "books", *JSON).json
    assert [(row["Role"], row["User"], row["Project"]) for row in listed] == [
        ("member", "ann@Default", "books@Default")
    ]
    assert names(admin, "user", "list", "--project", "books") == {"ann"}
    assert names(admin, "project", "list", "--user", "ann") == {"books"}

    run("user", "set", "ann", "--name", "anna", "--description", "reads")
    assert run("user", "show", "anna", *JSON).json["description"] == "reads"
    run("project", "set", "books", "--description", "two shelves", "--tag", "ink")
    assert set(run("project", "show", "books", *JSON).json["tags"]) == {"paper", "ink"}

    anna = Account(admin.server, admin.shells, admin.home / "anna", "anna", "anns secret", "books")
    anna.home.mkdir()
    anna.openstack("user", "password", "set", "--original-password", "anns secret", "--password", "new secret")
    anna = Account(admin.server, admin.shells, anna.home, "anna", "new secret", "books")
    made = anna.openstack("image", "create", "cover", *JSON).json
    assert names(anna, "project", "list") == {"books"}

    assert "has 1 images" in run("project", "delete", "books", fails=True).error
    run("image", "delete", made["id"])
    run("role", "remove", "member", "--user", "anna", "--project", "books")
    run("user", "set", "anna", "--disable")
    assert run("user", "show", "anna", *JSON).json["enabled"] is False
    run("user", "delete", "anna")
    run("project", "delete", "books")
    assert "books" not in names(admin, "project", "list")
    assert "role admin" in json.dumps(run("user", "delete", "admin", fails=True).error)
