// Files by which other programs sign in: clouds.yaml, openrc, variables of AK/SK, a block of Terraform.

import { config } from "./config.js";
import { shellWord } from "./commands.js";

/** @typedef {{id: string, secret: string}} Credential An application credential, or placeholders for one. */
/** @typedef {{access: string, secret: string}} AccessKey */

export const NO_CREDENTIAL = { id: "CREDENTIAL_ID", secret: "SECRET" };
export const NO_KEY = { access: "ACCESS_KEY", secret: "SECRET_KEY" };
/** The line that names the authority, if one has to be named. @param {string} line */
const trusting = (line) => (config.authority ? `${line}\n` : "");

/** @param {Credential} credential */
export function cloudsYaml({ id, secret }) {
  return `clouds:
  stillage:
    auth_type: v3applicationcredential
    auth:
      auth_url: ${config.identity.url}
      application_credential_id: ${JSON.stringify(id)}
      application_credential_secret: ${JSON.stringify(secret)}
    region_name: ${JSON.stringify(config.region)}
${trusting("    cacert: ca.pem")}`;
}

/** @param {Credential} credential */
export function openrc({ id, secret }) {
  return `export OS_AUTH_TYPE=v3applicationcredential
export OS_AUTH_URL=${shellWord(config.identity.url)}
export OS_APPLICATION_CREDENTIAL_ID=${shellWord(id)}
export OS_APPLICATION_CREDENTIAL_SECRET=${shellWord(secret)}
export OS_REGION_NAME=${shellWord(config.region)}
${trusting("export OS_CACERT=ca.pem")}`;
}

/** @param {AccessKey} key */
export function keyVariables({ access, secret }) {
  return `export OS_ACCESS_KEY=${shellWord(access)}
export OS_SECRET_KEY=${shellWord(secret)}
export OS_AUTH_URL=${shellWord(config.identity.url)}
export OS_REGION_NAME=${shellWord(config.region)}
`;
}

/** @param {Credential} credential */
export function terraformProvider({ id, secret }) {
  return `provider "openstack" {
  auth_url                      = ${JSON.stringify(config.identity.url)}
  application_credential_id     = ${JSON.stringify(id)}
  application_credential_secret = ${JSON.stringify(secret)}
  region                        = ${JSON.stringify(config.region)}
${trusting('  cacert_file                   = "ca.pem"')}}
`;
}

