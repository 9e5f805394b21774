// The roles of a user as commands: which there are, how one is granted, and how it is revoked.

import { curl, shellWord } from "./commands.js";
import { pathOfRole } from "./people.js";

/**
 * Which roles a user has, how one is granted, and how it is revoked.
 * @typedef {import("./people.js").Named} Named
 * @param {Named} user @param {Named} project @param {Named} role
 * @returns {import("./commands.js").Commands}
 */
export function roleCommands(user, project, role) {
  const path = pathOfRole(user.id, { project, role });
  const openstack = `--user ${user.id} --project ${project.id}`;
  const stillage = `--role ${shellWord(role.name)} -- ${shellWord(project.name)} ${shellWord(user.name)}`;
  return {
    curl: [curl("GET", `/identity/v3/role_assignments?user.id=${user.id}&include_names=true`), curl("PUT", path), curl("DELETE", path)].join("\n\n"),
    openstack: `openstack role assignment list --names --user ${user.id}\nopenstack role add ${openstack} ${role.id}\nopenstack role remove ${openstack} ${role.id}`,
    stillage: `stillage project list\nstillage project grant ${stillage}\nstillage project revoke ${stillage}`,
    terraform: `resource "openstack_identity_role_assignment_v3" "role" {\n  user_id    = "${user.id}"\n  project_id = "${project.id}"\n  role_id    = "${role.id}"\n}`,
  };
}
