"""Removes what formats a text and is not read: Markdown, HTML, emoticons, ornaments.

Every pattern is bounded, so that the time is linear in the length of the text.
"""

import html
import re
from collections.abc import Callable

from timbral.text.scripts import HAN, KANA

_TAGS = (
    "a|abbr|article|aside|audio|b|big|blockquote|body|br|button|caption|center|cite|code|dd|del|details|div|dl|dt|em|figcaption"
    "|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|kbd|label|li|link|main|mark|meta|nav|ol"
    "|option|p|pre|q|r[pt]|ruby|s|samp|section|select|small|source|span|strike|strong|sub|summary|sup|svg|table|tbody|td"
    "|tfoot|th|thead|title|tr|tt|u|ul|var|video|speak"
)
_BLOCKS = "br|p|div|li|h[1-6]|tr|hr|blockquote|section|article|ul|ol|table|dd|dt|title"
_ATTRIBUTES = r"(?:\s[^<>]{0,500})?\s?/?"
_Replacement = str | Callable[[re.Match[str]], str]
_HTML: tuple[tuple[re.Pattern[str], _Replacement], ...] = (
    (re.compile(r"<!--(?:(?!-->)[\s\S]){0,2000}-->"), ""),
    (re.compile(r"<(script|style)\b[^<>]{0,500}>[^<]{0,20000}</\1>", re.IGNORECASE), ""),
    (re.compile(r"<(r[tp])>[^<]{0,50}</\1>", re.IGNORECASE), ""),
    (re.compile(rf"</?(?:{_BLOCKS}){_ATTRIBUTES}>", re.IGNORECASE), "\n"),
    (re.compile(rf"</?(?:{_TAGS}){_ATTRIBUTES}>", re.IGNORECASE), ""),
    (re.compile(r"<(https?://[^\s<>]{1,500}|[\w.+-]{1,64}@[\w.-]{1,200})>"), r"\1"),
)
_WORD = "A-Za-z0-9"
_WIDE = f"{HAN}{KANA}"
_BULLET = r"[-*+•‣◦▪●○■□◆◇★☆➤►✓✔]"
_MARKDOWN: tuple[tuple[re.Pattern[str], _Replacement], ...] = (
    (re.compile(r"^[ \t]{0,8}(?:```|~~~)[^\n`]{0,40}$", re.MULTILINE), ""),
    (re.compile(r"^[ \t]{0,8}(?:([-*_=])[ \t]?)(?:\1[ \t]?){2,200}$", re.MULTILINE), ""),
    (
        re.compile(
            r"^[ \t]{0,8}\|?(?:[ \t]{0,8}:?-{3,50}:?[ \t]{0,8}\|){1,50}(?:[ \t]{0,8}:?-{3,50}:?)?[ \t]*$",
            re.MULTILINE,
        ),
        "",
    ),
    (
        re.compile(r"^[ \t]{0,8}\|(.{1,2000})\|[ \t]*$", re.MULTILINE),
        lambda row: re.sub(r"\s?\|\s?", ", ", row[1]).strip(),
    ),
    (re.compile(r"^[ \t]{0,8}#{1,6}[ \t]+", re.MULTILINE), ""),
    (re.compile(r"(?<![\w#])#{1,6}[ \t]+(?=\w)"), ""),
    (re.compile(r"^[ \t]{0,8}(?:>[ \t]?){1,8}(?=[^\s\d=])", re.MULTILINE), ""),
    (re.compile(rf"^[ \t]{{0,20}}{_BULLET}[ \t]{{1,4}}(?:\[[ xX]\][ \t])?(?=\S)", re.MULTILINE), ""),
    (re.compile(r"!?\[([^\[\]\n]{0,300})\]\([^()\s]{1,1000}(?:\s\"[^\"\n]{0,200}\")?\)"), r"\1"),
    (re.compile(r"(?<=[^\s\w\[\]()]|\s)\[\^?\d{1,3}\]|(?<=\w)\[\^\d{1,3}\]"), ""),
    (re.compile(r"(\*{2,3}|~~|(?<!_)__)(?=\S)((?:(?!\1)[^\n]){1,1000}?)(?<=\S)\1"), r"\2"),
    (re.compile(rf"(?<![{_WORD}*])\*(?=[^\s*])([^*\n]{{1,500}})(?<=\S)\*(?![{_WORD}*])"), r"\1"),
    (re.compile(rf"(?<![{_WORD}_])_(?=[^\s_])([^_\n]{{1,500}})(?<=\S)_(?![{_WORD}_])"), r"\1"),
    (re.compile(r"`{1,2}([^`\n]{1,500})`{1,2}"), r"\1"),
)
_EMOTICONS = re.compile(
    r"(?<![\w)])(?:[:;=]['’]?-?[)(DPp|\]\[*}{]+|[xX]D+|:-?[oO3/\\]|<3+(?=\s*$|\s[a-z]))(?![\w/])"
    r"|(?<!\w)(?:[Tt^><=\-oOuU0QqxX@;]_+[Tt^><=\-oOuU0QqxX@;]|\^\^|[>^-]\.[<^-]|Q[AwW]Q|TAT|orz|OTZ)(?![A-Za-z0-9])"
)
_KAOMOJI = re.compile(
    r"[(（](?=[^()（）\n]{0,15}[^\w\s.,;:!?，。；：！？、…'\"“”‘’%$/+*=<>#&@·\-~～—])"
    rf"[^()（）\n{_WORD}{_WIDE}]{{2,15}}[)）][^\w\s.,;:!?，。；：！？、…]{{0,3}}(?:ﾉ|ノ(?![{KANA}]))?"
)
_DASHES = re.compile("[─━―⸺⸻]+|—{2,}")
_APOSTROPHES = re.compile("(?<=[A-Za-z])[’‘ʼ＇`´′](?=[A-Za-z])")


def remove_formatting(text: str) -> str:
    """`text` without markup and emoticons; tags and rows that end a line leave a line break."""
    if "<" in text:
        for pattern, replacement in _HTML:
            text = pattern.sub(replacement, text)
    if "&" in text:
        text = html.unescape(text)
    for pattern, replacement in _MARKDOWN:
        text = pattern.sub(replacement, text)
    text = _EMOTICONS.sub("", text)
    text = _KAOMOJI.sub("", text)
    text = _DASHES.sub("——", text)
    return _APOSTROPHES.sub("'", text)
