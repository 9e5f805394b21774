"""Every route of the identity API, and the handler behind it; each under two addresses."""

from aiohttp import web

from stillage.api.identity_v3 import credentials, keys, projects, roles, tokens, users, versions


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_get("/identity", versions.choices)
    router.add_get("/identity/", versions.choices)
    for prefix in ("/identity/v3", "/v3"):
        router.add_get(prefix, versions.version)
        router.add_get(f"{prefix}/", versions.version)
        router.add_post(f"{prefix}/auth/tokens", tokens.create)
        router.add_get(f"{prefix}/auth/tokens", tokens.show)
        router.add_delete(f"{prefix}/auth/tokens", tokens.delete)
        router.add_get(f"{prefix}/auth/catalog", tokens.show_catalogue)
        router.add_get(f"{prefix}/auth/projects", projects.of_token)
        router.add_get(f"{prefix}/auth/domains", projects.domains)
        _add_people(router, prefix)
        of_user = f"{prefix}/users/{{user_id}}/application_credentials"
        router.add_post(of_user, credentials.create)
        router.add_get(of_user, credentials.list_all)
        router.add_get(f"{of_user}/{{credential_id}}", credentials.show)
        router.add_delete(f"{of_user}/{{credential_id}}", credentials.delete)
    for prefix in ("/identity/v3.0", "/v3.0"):
        router.add_post(f"{prefix}/OS-CREDENTIAL/securitytokens", keys.create_temporary)
        router.add_post(f"{prefix}/OS-CREDENTIAL/credentials", keys.create)
        router.add_get(f"{prefix}/OS-CREDENTIAL/credentials", keys.list_all)
        router.add_get(f"{prefix}/OS-CREDENTIAL/credentials/{{access}}", keys.show)
        router.add_put(f"{prefix}/OS-CREDENTIAL/credentials/{{access}}", keys.change)
        router.add_delete(f"{prefix}/OS-CREDENTIAL/credentials/{{access}}", keys.delete)


def _add_people(router: web.UrlDispatcher, prefix: str) -> None:
    router.add_get(f"{prefix}/domains", projects.search_domains)
    router.add_get(f"{prefix}/domains/{{domain_id}}", projects.show_domain)
    router.add_get(f"{prefix}/projects", projects.search)
    router.add_post(f"{prefix}/projects", projects.create)
    router.add_get(f"{prefix}/projects/{{project_id}}", projects.show)
    router.add_patch(f"{prefix}/projects/{{project_id}}", projects.change)
    router.add_delete(f"{prefix}/projects/{{project_id}}", projects.delete)
    router.add_get(f"{prefix}/users", users.search)
    router.add_post(f"{prefix}/users", users.create)
    router.add_get(f"{prefix}/users/{{user_id}}", users.show)
    router.add_patch(f"{prefix}/users/{{user_id}}", users.change)
    router.add_delete(f"{prefix}/users/{{user_id}}", users.delete)
    router.add_post(f"{prefix}/users/{{user_id}}/password", users.change_password)
    router.add_get(f"{prefix}/users/{{user_id}}/projects", projects.of_user)
    router.add_get(f"{prefix}/roles", roles.search)
    router.add_get(f"{prefix}/roles/{{role_id}}", roles.show)
    router.add_get(f"{prefix}/role_assignments", roles.assignments)
    of_user = f"{prefix}/projects/{{project_id}}/users/{{user_id}}/roles"
    router.add_get(of_user, roles.of_user)
    router.add_get(f"{of_user}/{{role_id}}", roles.require)
    router.add_put(f"{of_user}/{{role_id}}", roles.grant)
    router.add_delete(f"{of_user}/{{role_id}}", roles.revoke)
