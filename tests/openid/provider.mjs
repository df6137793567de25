// An OpenID provider by others (panva's oidc-provider), at which everybody in PEOPLE signs in with any password.
//
//   node provider.mjs NODE_MODULES CLIENT SECRET REDIRECT_URI
//
// Says "issuer URL" once it listens, and ends with its standard input.

import http from "node:http";
import { pathToFileURL } from "node:url";

const [modules, client, secret, redirect] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));

const PEOPLE = {
  ana: ["staff", "lock-ops"],
  eve: ["staff"],
};

const server = http.createServer();
server.listen(0, "127.0.0.1", () => {
  // By this name it is another site than a server at 127.0.0.1.
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: client, client_secret: secret, redirect_uris: [redirect] }],
    claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
    scopes: ["openid", "profile", "groups"],
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    cookies: { keys: ["of no use to anybody"] },
    findAccount: (_, name) => ({
      accountId: name,
      claims: () => ({ sub: name, preferred_username: name, groups: PEOPLE[name] ?? [] }),
    }),
  });
  server.on("request", provider.callback());
  console.log(`issuer ${issuer}`);
});
process.stdin.resume().on("end", () => process.exit());
