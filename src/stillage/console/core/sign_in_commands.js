// Signing in, as commands: how a program gets a token with the password, which it reads from OS_PASSWORD.

import { CURL, shellWord, terraformText } from "./commands.js";
import { config } from "./config.js";

/** @param {{user: string, project: string}} typed @returns {import("./commands.js").Commands} */
export function signInCommands({ user, project }) {
  const who = user || "USER";
  const where = project || "PROJECT";
  const options = [
    `--os-auth-url ${shellWord(config.identity.url)}`, `--os-username ${shellWord(who)}`, `--os-project-name ${shellWord(where)}`,
    "--os-user-domain-name Default", "--os-project-domain-name Default", ...(config.authority ? ["--os-cacert ca.pem"] : []),
  ];
  return {
    curl: tokenByCurl(who, where),
    openstack: `openstack ${options.join(" \\\n  ")} \\\n  token issue -f value -c id`,
    ...(config.identity.kind === "embedded" ? { stillage: `stillage token --user ${shellWord(who)} --project ${shellWord(where)}` } : {}),
    terraform: `provider "openstack" {
  auth_url    = ${terraformText(config.identity.url)}
  user_name   = ${terraformText(who)}
  tenant_name = ${terraformText(where)}
  domain_name = "Default"
  region      = ${terraformText(config.region)}
${config.authority ? '  cacert_file = "ca.pem"\n' : ""}}`,
  };
}

/** @param {string} user @param {string} project @returns {string} */
function tokenByCurl(user, project) {
  const domain = { name: "Default" };
  const mark = "\u0000";
  const auth = {
    identity: { methods: ["password"], password: { user: { name: user, domain, password: mark } } },
    scope: { project: { name: project, domain } },
  };
  const [before, after] = JSON.stringify({ auth }).split(JSON.stringify(mark).slice(1, -1));
  const body = `${shellWord(before ?? "")}"$OS_PASSWORD"${shellWord(after ?? "")}`;
  return `OS_TOKEN=$(${CURL} -o /dev/null -D - ${shellWord(`${config.identity.url}/auth/tokens`)} \\
  -H "Content-Type: application/json" \\
  -d ${body} |
  tr -d '\\r' | awk 'tolower($1) == "x-subject-token:" { print $2 }')`;
}
