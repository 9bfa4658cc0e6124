/**
 * What keys and tokens look like, by who issues them. Each begins where a word does, or behind
 * the escape of a sign in an address; lengths are bounded below by what the issuer issues.
 */

const CLOUDS: readonly string[] = [
  // AWS: access keys, keys of Bedrock.
  String.raw`(?:A[BKS]IA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])`,
  String.raw`(?:ABSK|bedrock-api-key-)[A-Za-z0-9+/=]{60,}`,
  // Google Cloud.
  String.raw`AIza[\w-]{30,}`,
  String.raw`AQ\.Ab[\w-]{30,}`,
  String.raw`ya29\.[\w-]{20,}`,
  String.raw`GOCSPX-[\w-]{20,}`,
  String.raw`1\/\/0[\w-]{30,}`,
  // Azure: secrets of applications, keys of AI services, tokens of DevOps.
  String.raw`[\w~.-]{3}\dQ~[\w~.-]{31,}`,
  String.raw`[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}(?![A-Za-z0-9])`,
  String.raw`[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}(?![A-Za-z0-9])`,
  // Others.
  String.raw`do[opr]_v1_[0-9a-f]{64}`,
  String.raw`HRKU-AA[\w-]{40,}`,
  String.raw`LTAI[A-Za-z0-9]{16,24}(?![A-Za-z0-9])`,
  String.raw`dapi[0-9a-f]{32}`,
  String.raw`fm2_[A-Za-z0-9+/=]{60,}`,
  String.raw`nfp_[A-Za-z0-9]{36}`,
  String.raw`vercel_blob_rw_[A-Za-z0-9]{10,}_[A-Za-z0-9]{20,}`,
  String.raw`sbp_[0-9a-f]{40}`,
  String.raw`sb_secret_[\w-]{24,}`,
  String.raw`pscale_(?:tkn|pw|oauth)_[\w.-]{30,}`,
  String.raw`[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,}`,
  String.raw`hv[bsr]\.[\w-]{20,}`,
  String.raw`pul-[0-9a-f]{40}`,
];

const CODE_HOSTS: readonly string[] = [
  String.raw`gh[opsru]_[A-Za-z0-9]{30,}`,
  String.raw`github_pat_\w{22,}`,
  String.raw`gl(?:pat|ptt|dt|rt|cbt|ft|ffct|soat|agent|oas|imt)-[\w.-]{20,}`,
  String.raw`GR1348941[\w-]{20,}`,
  String.raw`AT[AC]TT3[\w=-]{30,}`,
  String.raw`ATBB[A-Za-z0-9]{32}(?![A-Za-z0-9])`,
  String.raw`npm_[A-Za-z0-9]{30,}`,
  String.raw`pypi-[\w-]{40,}`,
  String.raw`cio[A-Za-z0-9]{32}(?![A-Za-z0-9])`,
  String.raw`oy2[a-z0-9]{43}(?![a-z0-9])`,
  String.raw`AKCp[A-Za-z0-9]{60,}`,
  String.raw`rubygems_[0-9a-f]{48}`,
  String.raw`dckr_[op]at_[\w-]{20,}`,
  String.raw`dd[op]_[A-Za-z0-9]{36}`,
  String.raw`sgp_(?:[0-9a-f]{16}_|local_)?[0-9a-f]{40}`,
  String.raw`CCIPAT_[A-Za-z0-9]{22}_[0-9a-f]{40}`,
  String.raw`bkua_[0-9a-f]{40}`,
];

/** A key that begins with `sk-` has a long run without a dash, and not of small letters alone. */
const MODEL_HOSTS: readonly string[] = [
  String.raw`c?sk-(?=[\w-]{0,40}?[A-Za-z0-9]{16})(?=[a-z_-]{0,60}[A-Z0-9])[\w-]{20,}`,
  String.raw`sk-ant-[a-z]{3,8}\d\d-[\w-]{20,}`,
  String.raw`sess-[A-Za-z0-9]{40,}`,
  String.raw`hf_[A-Za-z0-9]{30,}`,
  String.raw`api_org_[A-Za-z0-9]{30,}`,
  String.raw`gsk_[A-Za-z0-9]{40,}`,
  String.raw`xai-[A-Za-z0-9]{40,}`,
  String.raw`r8_[A-Za-z0-9]{30,}`,
  String.raw`pplx-[A-Za-z0-9]{40,}`,
  String.raw`nvapi-[\w-]{40,}`,
  String.raw`tgp_v1_[\w-]{40,}`,
  String.raw`fw_[A-Za-z0-9]{22,}`,
  String.raw`pa-[A-Za-z0-9]{43}(?![\w-])`,
  String.raw`jina_[A-Za-z0-9]{40,}`,
  String.raw`tvly-(?:dev-|prod-)?[A-Za-z0-9]{30,}`,
  String.raw`pcsk_[A-Za-z0-9]{5,8}_[A-Za-z0-9]{50,}`,
  String.raw`lsv2_[a-z]{2}_[0-9a-f]{32}_[0-9a-f]{10}`,
  String.raw`wandb_v1_\w{40,}`,
  String.raw`rpa_[A-Z0-9]{40,}`,
  String.raw`sk_[0-9a-f]{48}(?![0-9a-f])`,
];

const OBSERVERS: readonly string[] = [
  String.raw`gl(?:sa|c)_[\w+/=]{32,}`,
  String.raw`eyJrIjoi[A-Za-z0-9+/=]{60,}`,
  String.raw`NRAK-[A-Z0-9]{27}(?![A-Z0-9])`,
  String.raw`[0-9a-f]{36}(?:FFFF)?NRAL(?![A-Za-z0-9])`,
  String.raw`sntrys_eyJ[\w+/=.-]{30,}`,
  String.raw`sntryu_[0-9a-f]{64}`,
  String.raw`hc[ax]ik_[a-z0-9]{50,}`,
  String.raw`dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}`,
  String.raw`xa[ap]t-[0-9a-f]{8}-[0-9a-f-]{27}`,
  String.raw`pylf_v\d_[a-z]{2}_[A-Za-z0-9]{40,}`,
  String.raw`phx_[A-Za-z0-9]{40,}`,
];

const OTHERS: readonly string[] = [
  // JSON web tokens, signed or encrypted; a pair of which the signature was cut off.
  String.raw`eyJ[\w-]{13,2048}\.(?:[\w-]*(?:\.[\w-]*){1,3}|eyJ[\w-]{6,})`,
  // NATS: seeds of user, account, operator, cluster, server and curve keys.
  String.raw`S[ACNOUX][A-Z2-7]{56}(?![A-Z0-9])`,
  String.raw`AGE-SECRET-KEY-1[A-Z0-9]{50,}`,
  // A private key in Base64, as in a kubeconfig; a certificate or a public key is none.
  String.raw`LS0tLS1CRUdJTi(?!BDRVJU|BQVUJMSUMg)[A-Za-z0-9+/=]{20,}`,
  // What a password was hashed to.
  String.raw`\$(?:2[abxy]|apr1|[156y]|argon2(?:id|i|d))\$[\w$./=,+-]{20,}`,
  String.raw`xox[a-z](?:\.xox[a-z])?-[\w-]{16,}`,
  String.raw`xapp-\d-[\w-]{16,}`,
  String.raw`[MNO][A-Za-z0-9]{23,25}\.[\w-]{6}\.[\w-]{27,}`,
  String.raw`\d{8,10}:AA[\w-]{32,}`,
  String.raw`[rs]k_(?:org_)?(?:live|test)_[A-Za-z0-9]{16,}`,
  String.raw`whsec_[A-Za-z0-9+/=]{16,}`,
  String.raw`SG\.[\w-]{16,}\.[\w-]{16,}`,
  String.raw`SK[0-9a-f]{32}(?![0-9a-f])`,
  // Not the end of `cache-key-…`.
  String.raw`(?<![_-])key-[0-9a-f]{32}(?![0-9a-f])`,
  String.raw`[0-9a-f]{32}-us\d{1,2}(?!\w)`,
  String.raw`re_[A-Za-z0-9]{6,10}_[A-Za-z0-9]{22,}`,
  String.raw`xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}`,
  String.raw`lin_api_[A-Za-z0-9]{32,}`,
  String.raw`(?:ntn|secret)_[A-Za-z0-9]{40,}`,
  String.raw`napi_[A-Za-z0-9]{60,}`,
  String.raw`shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}`,
  String.raw`sq0[a-z]{3}-[\w-]{22,}`,
  String.raw`PMAK-[\w-]{40,}`,
  String.raw`tskey-[a-z]+-[\w-]{16,}`,
  String.raw`dp\.[a-z]{2,5}\.[A-Za-z0-9]{40,}`,
  String.raw`ops_eyJ[\w+/=-]{60,}`,
  String.raw`rnd_[A-Za-z0-9]{28,}`,
  String.raw`figd_[\w-]{36,}`,
  String.raw`pat[A-Za-z0-9]{14}\.[0-9a-f]{64}`,
  String.raw`CFPAT-[\w-]{40,}`,
  String.raw`sl\.[\w-]{100,}`,
  String.raw`EAA[A-Za-z0-9]{80,}`,
  String.raw`base64url\.bearer\.authorization\.k8s\.io\.[\w-]{20,}`,
];

/** Any of them, in a text. */
export const TOKEN: RegExp = new RegExp(
  `(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2}))(?:${
    [...CLOUDS, ...CODE_HOSTS, ...MODEL_HOSTS, ...OBSERVERS, ...OTHERS].join("|")
  })`,
  "g",
);
