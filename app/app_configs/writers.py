"""Pins in the form that an app wants, or each thing that the form cannot express."""

from collections.abc import Callable, Mapping

from app.app_configs.apple import write_pinned_domains, write_trustkit_plist, write_trustkit_swift
from app.app_configs.command_lines import write_cronet, write_curl
from app.app_configs.network_security_config import write_network_security_config
from app.app_configs.okhttp import write_okhttp
from app.app_configs.react_native import write_pins_json, write_rn_spki, write_ssl_config
from app.hpkp.app_pins.convert import entries_for_form
from app.hpkp.app_pins.forms import Form
from app.hpkp.app_pins.model import PinEntry, PinLayer
from app.hpkp.errors import CannotExpress

_Write = Callable[[tuple[PinEntry, ...]], str]

WRITERS: Mapping[Form, _Write] = {
    Form.NSC: lambda entries: write_network_security_config(entries, trustkit=False),
    Form.TRUSTKIT_ANDROID: lambda entries: write_network_security_config(entries, trustkit=True),
    Form.TRUSTKIT_PLIST: write_trustkit_plist,
    Form.TRUSTKIT_SWIFT: write_trustkit_swift,
    Form.ATS: write_pinned_domains,
    Form.OKHTTP: write_okhttp,
    Form.SSL_MANAGER: write_ssl_config,
    Form.RN_SPKI: write_rn_spki,
    Form.EXPENSIFY: write_pins_json,
    Form.CRONET: write_cronet,
    Form.CURL: write_curl,
}


def write_config(layer: PinLayer, form: Form) -> str:
    """Write a layer in a form. Raises CannotExpress with every reason; then nothing is written."""
    write = WRITERS.get(form)
    if write is None:
        raise CannotExpress(f"{form} is only read, not written")
    return write(entries_for_form(layer, form))
