"""Who may see a namespace of metadata definitions, and who may change it: the names and the defaults are Glance's.

What a principal may not see is not found; what they see and may not change is forbidden. Source: Glance, "Policy".
"""

from collections.abc import Callable, Mapping
from functools import partial

from stillage.accounts.principal import Principal
from stillage.errors import Forbidden
from stillage.ids import ProjectId
from stillage.images.access import OWNER_NAMES, Access
from stillage.images.metadefs.definitions import Kind, Namespace, namespace_not_found
from stillage.images.rules import Target

SEE = "get_metadef_namespace"
READ_ONE: Mapping[Kind, str] = {
    Kind.OBJECT: "get_metadef_object",
    Kind.PROPERTY: "get_metadef_property",
    Kind.TAG: "get_metadef_tag",
    Kind.RESOURCE_TYPE: "get_metadef_resource_type",
}
READ_ALL: Mapping[Kind, str] = {
    Kind.OBJECT: "get_metadef_objects",
    Kind.PROPERTY: "get_metadef_properties",
    Kind.TAG: "get_metadef_tags",
    Kind.RESOURCE_TYPE: "list_metadef_resource_types",
}
ADD: Mapping[Kind, str] = {
    Kind.OBJECT: "add_metadef_object",
    Kind.PROPERTY: "add_metadef_property",
    Kind.TAG: "add_metadef_tag",
    Kind.RESOURCE_TYPE: "add_metadef_resource_type_association",
}
MODIFY: Mapping[Kind, str] = {
    Kind.OBJECT: "modify_metadef_object",
    Kind.PROPERTY: "modify_metadef_property",
    Kind.TAG: "modify_metadef_tag",
}
REMOVE: Mapping[Kind, str] = {
    Kind.OBJECT: "delete_metadef_object",
    Kind.PROPERTY: "remove_metadef_property",
    Kind.TAG: "delete_metadef_tag",
    Kind.RESOURCE_TYPE: "remove_metadef_resource_type_association",
}
REMOVE_ALL: Mapping[Kind, tuple[str, ...]] = {
    Kind.OBJECT: ("delete_metadef_namespace",),
    Kind.PROPERTY: ("delete_metadef_namespace",),
    Kind.TAG: ("delete_metadef_namespace", "delete_metadef_tags"),
}


class MetadefAccess:
    def __init__(self, access: Access) -> None:
        self._access = access

    def viewer(self, principal: Principal) -> ProjectId | None:
        """Return whose private namespaces a list shows; None for everybody's. Forbidden if they may list nothing."""
        for action in ("get_metadef_namespaces", "list_metadef_resource_types"):
            self._access.require_role(principal, action, "list metadata definitions")
        return None if self._access.is_admin(principal) else principal.project_id

    def require_add(self, principal: Principal, kinds: set[Kind]) -> None:
        """Raise Forbidden unless *principal* may add a namespace with definitions of *kinds* in it."""
        for action in ("add_metadef_namespace", *(ADD[kind] for kind in sorted(kinds))):
            self._access.require_role(principal, action, "add metadata definitions")

    def check(
        self, principal: Principal, name: str, *actions: str, deletes: bool = False
    ) -> Callable[[Namespace | None], Namespace]:
        """Return what checks that *principal* may do *actions*, names of rules, with the namespace *name*.

        It returns the namespace, and raises NotFound if there is none or they may not see it, and Forbidden if they may
        not do this, or if *deletes* and it is protected.
        """
        return partial(self._checked, principal, name, actions, deletes)

    def _checked(
        self, principal: Principal, name: str, actions: tuple[str, ...], deletes: bool, namespace: Namespace | None
    ) -> Namespace:
        if namespace is None or not self._allows(principal, SEE, namespace):
            raise namespace_not_found(name)
        for action in actions:
            if not self._allows(principal, action, namespace):
                raise Forbidden(f"policy {action!r} does not let you do this to the namespace {name!r}")
        if deletes and namespace.protected:
            raise Forbidden(f"namespace {name!r} is protected; set protected to false first")
        return namespace

    def _allows(self, principal: Principal, action: str, namespace: Namespace) -> bool:
        return self._access.allows_target(principal, action, _target(namespace))


def _target(namespace: Namespace) -> Target:
    return {**dict.fromkeys(OWNER_NAMES, namespace.owner), "visibility": namespace.visibility}
