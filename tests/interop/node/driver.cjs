// alipay-sdk for Node.js: the mainland's v2 and v3. Talked to as tests/interop/drivers/lines.py says.
'use strict';

const path = require('node:path');
const readline = require('node:readline');
const crypto = require('node:crypto');
const { AlipaySdk } = require('alipay-sdk');

const folder = path.dirname(require.resolve('alipay-sdk'));
// v3's signing has no name outside; what the SDK's own client calls is called here.
const { signatureV3, verifySignatureV3 } = require(path.join(folder, 'util.js'));
const { getSN } = require(path.join(folder, 'antcertutil.js'));

const METHODS = { refund: 'alipay.trade.refund', query: 'alipay.trade.fastpay.refund.query' };
const PATHS = { refund: '/v3/alipay/trade/refund', query: '/v3/alipay/trade/fastpay/refund/query' };
const RealDate = Date;
const realUUID = crypto.randomUUID;

function sdk({ url = '', account = 'none', private_key, public_key, certificates, key_type = 'PKCS1' }) {
  return new AlipaySdk({
    appId: account,
    privateKey: private_key || 'none',
    keyType: key_type,
    gateway: `${url}/gateway.do`,
    endpoint: url,
    camelcase: false,
    ...(certificates
      ? {
          appCertContent: certificates.app,
          alipayRootCertContent: certificates.root,
          alipayPublicCertContent: certificates.alipay,
        }
      : { alipayPublicKey: public_key }),
  });
}

// While `work` runs, the clock shows `now` (milliseconds) and the next nonce is `nonce`.
async function frozen(now, nonce, work) {
  globalThis.Date = class extends RealDate {
    constructor(...given) {
      super(...(given.length ? given : [now]));
    }
    static now() {
      return now;
    }
  };
  if (nonce) crypto.randomUUID = () => nonce;
  try {
    return await work();
  } finally {
    globalThis.Date = RealDate;
    crypto.randomUUID = realUUID;
  }
}

const operations = {
  version: () => require(path.join(folder, '..', '..', 'package.json')).version,

  // v2: the answer's node; v3: its body. `validate`: v2 checks signatures only if it is told to.
  async call({ interface: spoken, operation, content, token, extra = {}, validate = true, ...keys }) {
    const client = sdk(keys);
    if (spoken === 'v3') {
      const options = { body: content, ...(token ? { appAuthToken: token } : {}) };
      return JSON.stringify((await client.curl('POST', PATHS[operation], options)).data);
    }
    const params = { bizContent: content, ...(token ? { appAuthToken: token } : {}), ...extra };
    return JSON.stringify(await client.exec(METHODS[operation], params, { validateSign: validate }));
  },

  // v2: every parameter, `sign` too. `content` is JSON; the SDK writes it anew.
  async sign({ operation, content, now, extra, ...keys }) {
    const params = { bizContent: JSON.parse(content), format: 'JSON', ...extra };
    const text = await frozen(now, '', () => sdk(keys).sdkExecute(METHODS[operation], params, { bizContentAutoSnakeCase: false }));
    return Object.fromEntries(new URLSearchParams(text));
  },

  // v3: calls `url` at `now` with `nonce`.
  async call_frozen({ now, nonce, ...rest }) {
    return await frozen(now, nonce, () => operations.call({ ...rest, interface: 'v3' }));
  },

  verify: ({ content, signature, public_key }) => sdk({ public_key }).rsaCheck(content, signature),
  sign_v3: ({ content, private_key }) =>
    signatureV3(content, `-----BEGIN RSA PRIVATE KEY-----\n${private_key}\n-----END RSA PRIVATE KEY-----`),
  verify_v3: ({ content, signature, public_key }) =>
    verifySignatureV3(content, signature, `-----BEGIN PUBLIC KEY-----\n${public_key}\n-----END PUBLIC KEY-----`),
  notified: ({ form, public_key }) => sdk({ public_key }).checkNotifySignV2(form),
  notified_first: ({ form, public_key }) => sdk({ public_key }).checkNotifySign(form),
  serial_numbers: ({ app, root }) => [getSN(app, false), getSN(root, true)],
};

const lines = readline.createInterface({ input: process.stdin });
(async () => {
  for await (const line of lines) {
    const { do: name, ...args } = JSON.parse(line);
    let said;
    try {
      said = { value: await operations[name](args) };
    } catch (error) {
      said = { error: error.constructor.name, text: String(error.message).slice(0, 300), code: error.code };
    }
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }
})();
