"""Makers of app configurations: pins by a word, and files of each form with the same story.

The story: shop.example has the pins first and backup for itself and below; api.shop.example has its own.
"""

import hashlib
import json

from app.hpkp.pins import Pin


def pin_of(word: str) -> Pin:
    """Return the pin of a made-up key."""
    return Pin(hashlib.sha256(f"key {word}".encode()).digest())


FIRST, BACKUP, API, OTHER = map(pin_of, ("first", "backup", "api", "other"))

NSC = f"""<?xml version="1.0" encoding="utf-8"?>
<network-security-config xmlns:tools="http://schemas.android.com/tools">
    <base-config><trust-anchors><certificates src="system"/></trust-anchors></base-config>
    <domain-config tools:ignore="MissingBackupPin">
        <domain includeSubdomains="true"> Shop.example </domain>
        <domain includeSubdomains="false">pay.example</domain>
        <pin-set expiration="2028-03-01">
            <pin digest="SHA-256">{FIRST}</pin>
            <pin digest="sha-256">
                {BACKUP}
            </pin>
        </pin-set>
        <domain-config>
            <domain includeSubdomains="false">api.shop.example</domain>
            <pin-set><pin digest="SHA-256">{API}</pin></pin-set>
        </domain-config>
        <domain-config>
            <domain includeSubdomains="true">img.shop.example</domain>
        </domain-config>
    </domain-config>
    <domain-config cleartextTrafficPermitted="true"><domain>10.0.2.2</domain></domain-config>
    <domain-config cleartextTrafficPermitted="true"><domain>free.shop.example</domain></domain-config>
    <debug-overrides><trust-anchors><certificates src="user" overridePins="true"/></trust-anchors></debug-overrides>
</network-security-config>
"""

TRUSTKIT_ANDROID = f"""<network-security-config>
    <domain-config>
        <domain includeSubdomains="true">old.example</domain>
        <domain includeSubdomains="true">shop.example</domain>
        <pin-set expiration="2028-03-01">
            <pin digest="SHA-256">{FIRST}</pin><pin digest="SHA-256">{BACKUP}</pin>
        </pin-set>
        <trustkit-config enforcePinning="false" disableDefaultReportUri="true">
            <report-uri>https://collect.test/report/android</report-uri>
        </trustkit-config>
        <domain-config>
            <domain>api.shop.example</domain>
            <pin-set><pin digest="SHA-256">{API}</pin><pin digest="SHA-256">{OTHER}</pin></pin-set>
        </domain-config>
    </domain-config>
</network-security-config>
"""

APPLE = f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
    <key>CFBundleIdentifier</key><string>example.shop</string>
    <key>CFBundleShortVersionString</key><string>4.2</string>
    <key>CFBundleVersion</key><string>4207</string>
    <key>TSKConfiguration</key><dict><key>TSKPinnedDomains</key><dict>
        <key>shop.example</key><dict>
            <key>TSKIncludeSubdomains</key><true/>
            <key>TSKPublicKeyHashes</key><array><string>{FIRST}</string><string>{BACKUP}</string></array>
            <key>TSKReportUris</key><array><string>https://collect.test/report/ios</string></array>
            <key>TSKExpirationDate</key><string>2028-03-01</string>
        </dict>
        <key>free.shop.example</key><dict><key>kSKExcludeSubdomainFromParentPolicy</key><true/></dict>
    </dict></dict>
    <key>NSAppTransportSecurity</key><dict><key>NSPinnedDomains</key><dict>
        <key>Shop.example.</key><dict>
            <key>NSIncludesSubdomains</key><true/>
            <key>NSPinnedCAIdentities</key><array><dict><key>SPKI-SHA256-BASE64</key><string>{API}</string></dict></array>
        </dict>
        <key>api.shop.example</key><dict>
            <key>NSPinnedLeafIdentities</key><array><dict><key>SPKI-SHA256-BASE64</key><string>{OTHER}</string></dict></array>
        </dict>
    </dict></dict>
</dict></plist>
"""

OKHTTP = f"""// .add("commented.example", "sha256/{OTHER}")
val names = mutableListOf<String>().apply {{ add("a.b") }}
val pinner = CertificatePinner.Builder()
    /* .add("also.example", "sha256/{OTHER}") */
    .add("*.Shop.example", "sha256/{FIRST}", "sha256/{BACKUP}")
    .add("api.shop.example", "sha256/{API}")
    .add("**.pay.example", "sha256/{FIRST}")
    .build()
"""

SSL_CONFIG = json.dumps(
    {
        "sha256Keys": {
            "shop.example": [f"sha256/{FIRST}", f"sha256/{BACKUP}"],
            "api.shop.example": [f"sha256/{API}"],
            "pay.example": [f"sha256/{FIRST}"],
        },
        "domains": {
            "pay.example": {"enforcePinning": False, "includeSubdomains": False, "expirationDate": "2028-03-01"}
        },
        "reportUris": ["https://collect.test/report/rn"],
    }
)

RN_SPKI = f"""import {{ initializeSslPinning }} from 'react-native-ssl-public-key-pinning';
await initializeSslPinning({{
  'shop.example': {{
    includeSubdomains: true, // all of them
    publicKeyHashes: ['{FIRST}', "{BACKUP}",],
    expirationDate: `2028-03-01`,
  }},
}});
"""

APP_JSON = json.dumps(
    {
        "expo": {
            "version": "4.2",
            "plugins": [
                "expo-font",
                [
                    "@bam.tech/react-native-app-security",
                    {
                        "sslPinning": {
                            "*.shop.example": [str(FIRST), str(BACKUP)],
                            "pay.example": [str(API), str(OTHER)],
                        }
                    },
                ],
            ],
            "ios": {
                "infoPlist": {
                    "NSAppTransportSecurity": {
                        "NSPinnedDomains": {
                            "shop.example": {"NSPinnedLeafIdentities": [{"SPKI-SHA256-BASE64": str(FIRST)}]}
                        }
                    }
                }
            },
        }
    }
)

PINS_JSON = json.dumps(
    {
        "enforcePinning": False,
        "_roots": {str(FIRST): "Some Root"},
        "domains": {"shop.example": {"hashes": [str(FIRST), f"sha256/{BACKUP}"], "notes": "both roots"}},
    }
)

CURL = f'curl --pinnedpubkey "sha256//{FIRST};sha256//{BACKUP}" https://Shop.example/path\n'

WULTRA = json.dumps(
    {"fingerprints": [{"name": "shop.example", "fingerprint": str(FIRST), "expires": 1835481600, "signature": "x"}]}
)

ELECTRON = f"""session.defaultSession.setCertificateVerifyProc((request, callback) => {{
  if (request.hostname !== 'shop.example') return callback(-3);
  callback(request.certificate.fingerprint === 'sha256/{FIRST}' ? 0 : -2);
}});
"""

FLUTTER = f"""await HttpCertificatePinning.check(
  serverURL: 'https://shop.example/api', sha: SHA.SHA256,
  allowedSHAFingerprints: ['{FIRST.digest.hex(":").upper()}'], timeout: 50);
"""
