"""The default rules of who may read and change metadata definitions. Source: Glance, "Policy" and its default rules."""

from collections.abc import Mapping

READABLE = 'rule:context_is_admin or (role:reader and (project_id:%(project_id)s or "public":%(visibility)s))'
CHANGES = "rule:metadef_admin"

METADEF_RULES: Mapping[str, str] = {
    "metadef_admin": "rule:context_is_admin",
    "metadef_default": "",
    "get_metadef_namespaces": "rule:context_is_admin or (role:reader and project_id:%(project_id)s)",
    **dict.fromkeys(
        (
            "get_metadef_namespace", "get_metadef_object", "get_metadef_objects", "get_metadef_property",
            "get_metadef_properties", "get_metadef_tag", "get_metadef_tags", "list_metadef_resource_types",
            "get_metadef_resource_type",
        ),
        READABLE,
    ),
    **dict.fromkeys(
        (
            "add_metadef_namespace", "modify_metadef_namespace", "delete_metadef_namespace",
            "add_metadef_object", "modify_metadef_object", "delete_metadef_object",
            "add_metadef_property", "modify_metadef_property", "remove_metadef_property",
            "add_metadef_tag", "add_metadef_tags", "modify_metadef_tag", "delete_metadef_tag", "delete_metadef_tags",
            "add_metadef_resource_type_association", "remove_metadef_resource_type_association",
        ),
        CHANGES,
    ),
}  # fmt: skip
