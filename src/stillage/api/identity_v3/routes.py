"""Every route of the identity API, and the handler behind it; each under two addresses."""

from aiohttp import web

from stillage.api.identity_v3 import credentials, keys, projects, tokens, versions


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
        router.add_get(f"{prefix}/projects", projects.search)
        router.add_get(f"{prefix}/projects/{{project_id}}", projects.show)
        router.add_get(f"{prefix}/users/{{user_id}}/projects", projects.of_user)
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
