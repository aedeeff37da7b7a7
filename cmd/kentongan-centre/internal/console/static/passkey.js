// Passkeys (WebAuthn): asks the centre for the options, the browser for the
// person, and brings the answer. Without it there is the password.
(function () {
  "use strict";
  var said = document.getElementById("passkey-said");
  if (!window.PublicKeyCredential) return;

  function bytes(text) {
    var s = atob(text.replace(/-/g, "+").replace(/_/g, "/")), out = new Uint8Array(s.length);
    for (var i = 0; i < s.length; i++) out[i] = s.charCodeAt(i);
    return out.buffer;
  }
  function text(buffer) {
    var s = "";
    new Uint8Array(buffer).forEach(function (b) { s += String.fromCharCode(b); });
    return btoa(s).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }
  function post(url, body) {
    return fetch(url, { method: "POST", headers: { "Content-Type": "application/json", "X-CSRF": document.body.dataset.csrf }, body: body })
      .then(function (r) { return r.ok ? r.json() : Promise.reject(new Error(r.status)); });
  }
  function list(keys) { return (keys || []).map(function (k) { return Object.assign({}, k, { id: bytes(k.id) }); }); }
  function refused() { said.textContent = said.dataset.refused; }

  var add = document.getElementById("passkey-add");
  if (add) add.addEventListener("click", function () {
    said.textContent = "";
    post("/account/passkeys/begin").then(function (c) {
      var o = c.options.publicKey;
      o.challenge = bytes(o.challenge); o.user.id = bytes(o.user.id); o.excludeCredentials = list(o.excludeCredentials);
      return navigator.credentials.create({ publicKey: o }).then(function (k) {
        var label = document.getElementById("label").value || navigator.platform || "passkey";
        return post("/account/passkeys?id=" + encodeURIComponent(c.id) + "&label=" + encodeURIComponent(label), JSON.stringify({
          id: k.id, rawId: text(k.rawId), type: k.type, authenticatorAttachment: k.authenticatorAttachment, clientExtensionResults: {},
          response: { clientDataJSON: text(k.response.clientDataJSON), attestationObject: text(k.response.attestationObject), transports: k.response.getTransports ? k.response.getTransports() : [] }
        }));
      });
    }).then(function (r) { location.href = r.next; }).catch(refused);
  });

  var use = document.getElementById("passkey");
  if (use) {
    use.hidden = false;
    use.addEventListener("click", function () {
      said.textContent = "";
      post("/login/passkey/begin").then(function (c) {
        var o = c.options.publicKey;
        o.challenge = bytes(o.challenge); o.allowCredentials = list(o.allowCredentials);
        return navigator.credentials.get({ publicKey: o }).then(function (k) {
          return post("/login/passkey?id=" + encodeURIComponent(c.id) + "&next=" + encodeURIComponent(use.dataset.next), JSON.stringify({
            id: k.id, rawId: text(k.rawId), type: k.type, authenticatorAttachment: k.authenticatorAttachment, clientExtensionResults: {},
            response: { clientDataJSON: text(k.response.clientDataJSON), authenticatorData: text(k.response.authenticatorData), signature: text(k.response.signature), userHandle: k.response.userHandle ? text(k.response.userHandle) : null }
          }));
        });
      }).then(function (r) { location.href = r.next; }).catch(refused);
    });
  }
})();
