"""Names of units of measurement and of currencies, and the words that count things."""

import re

_PREFIXES = {
    "k": "千", "M": "兆", "G": "吉", "T": "太", "P": "拍", "h": "百", "d": "分", "c": "厘", "m": "毫", "μ": "微", "µ": "微",
    "u": "微", "n": "纳", "p": "皮", "K": "千",
}  # fmt: skip
# Symbol, name, and the prefixes that it is used with.
_PREFIXED = """
m 米 kdcmμµunp; g 克 kmμµun; L 升 dcmμµu; l 升 dcmμµu; s 秒 mμµunp; Hz 赫兹 kKMGT; W 瓦 kKmMGT; V 伏 kKmμµuM; A 安 mμµuk
Ah 安时 m; Wh 瓦时 kKMGT; Pa 帕 hkKMG; J 焦 kKM; N 牛 kKM; eV 电子伏 kMGT; cal 卡 kK; mol 摩尔 kmμµu; F 法 mμµunp; Ω 欧 kKM
B 字节 kKMGTP; bit 比特 kKMGT; bps 比特每秒 kKMGT; Sv 希 mμµu; Bq 贝克 kKMG; VA 伏安 k; H 亨 mμµu; lm 流明 k
"""
_OTHERS = """
dB 分贝; dBm 分贝毫瓦; min 分钟; h 小时; hr 小时; hrs 小时; mins 分钟; sec 秒; d 天; rpm 转每分; fps 帧每秒; ft 英尺
in 英寸; inch 英寸; yd 码; mi 英里; mph 英里每小时; kph 千米每小时; lb 磅; lbs 磅; oz 盎司; gal 加仑; ha 公顷; t 吨
px 像素; lx 勒克斯; cd 坎德拉; kn 节; mmHg 毫米汞柱; rad 弧度; cc 毫升; sqm 平方米; ppm 百万分率; IU 国际单位
KiB 千字节; MiB 兆字节; GiB 吉字节; Wp 瓦
"""
_POWERS = {"2": "平方", "²": "平方", "^2": "平方", "3": "立方", "³": "立方", "^3": "立方"}
_ANY_CASE = frozenset(
    "km kg cm mm ml mg hz khz mhz ghz kw kwh db mah min kb mb gb tb kbps mbps gbps fps rpm mph kpa mpa kcal".split()  # noqa: SIM905
)


def _entries(table: str) -> list[list[str]]:
    return [entry.split() for entry in re.split("[;\n]", table.strip())]


def _names() -> dict[str, str]:
    names: dict[str, str] = {symbol: name for symbol, name in _entries(_OTHERS)}  # noqa: C416
    for symbol, name, prefixes in _entries(_PREFIXED):
        names[symbol] = name
        names |= {prefix + symbol: _PREFIXES[prefix] + name for prefix in prefixes}
    folded = {symbol.lower(): name for symbol, name in names.items() if symbol.lower() in _ANY_CASE}
    for symbol in "BFH":  # alone, these are names more often
        del names[symbol]
    for symbol, name in folded.items():
        for spelling in (symbol, symbol.upper(), symbol.capitalize()):
            names.setdefault(spelling, name)
    return names


UNITS = _names()
_POWER = r"(?:\^?[23](?![0-9])|[²³])"
_FACTOR = rf"[A-Za-zμµΩ]{{1,6}}{_POWER}?"
UNIT = rf"(?:{_FACTOR}(?:[/·⋅*](?:100)?{_FACTOR}){{0,3}}(?![A-Za-z0-9²³]))"
"""Expression of what may be a unit, simple or composed (`kg·m/s²`), without capturing groups; for verbose expressions."""
_FACTORS = re.compile(rf"([/·⋅*]?)(100)?([A-Za-zμµΩ]{{1,6}})({_POWER}?)")


def unit_name(symbol: str) -> str | None:
    """The name of what `UNIT` matches: `km/h` is 千米每小时, `cm³` 立方厘米; None if it is no unit."""
    spoken = ""
    for sign, hundred, unit, power in _FACTORS.findall(symbol):
        if unit not in UNITS:
            return None
        spoken += (
            ("每" if sign == "/" else "") + ("百" if hundred else "") + _POWERS.get(power, "") + UNITS[unit]
        )
    return spoken


_CURRENCIES = """
美元 $ US$ USD; 港元 HK$ HKD; 新台币 NT$ TWD NTD; 澳元 A$ AU$ AUD; 加元 C$ CA$ CAD; 新加坡元 S$ SGD; 新西兰元 NZ$ NZD
雷亚尔 R$ BRL; 澳门元 MOP$ MOP; 元 ¥ ￥ CN¥; 人民币 CNY RMB; 日元 JP¥ JPY 円; 欧元 € EUR; 英镑 £ ￡ GBP; 韩元 ₩ KRW
卢布 ₽ RUB; 卢比 ₹ INR; 泰铢 ฿ THB; 越南盾 ₫ VND; 瑞士法郎 CHF; 瑞典克朗 SEK; 比索 ₱ PHP; 里拉 ₺ TRY; 谢克尔 ₪
比特币 ₿ BTC; 林吉特 RM MYR; 印尼盾 IDR; 美分 ¢
"""
CURRENCIES = {symbol: name for name, *symbols in _entries(_CURRENCIES) for symbol in symbols}
CURRENCY = f"(?:{'|'.join(sorted(map(re.escape, CURRENCIES), key=len, reverse=True))})"

MAGNITUDE = "(?:[十百千]?[万萬亿億]|[百千](?![米克瓦卡帕赫伏分])|万亿|萬億)"
"""Chinese words that multiply the figure before them."""
LETTER_MAGNITUDES = {
    "k": 10**3,
    "K": 10**3,
    "w": 10**4,
    "W": 10**4,
    "M": 10**6,
    "m": 10**6,
    "B": 10**9,
    "bn": 10**9,
}

# Words that count things, simplified and traditional: a number before one is an amount.
COUNTED = (
    "(?:[个個位名人蚊文只隻条條张張本件块塊元圆圓毛天周週年岁歲次回遍场場顿頓口杯碗瓶盒包箱袋根支枝辆輛台臺架艘"
    "座栋棟层層间間家户戶套双雙对對群排组組队隊批届屆期册冊页頁篇首部集章节節段句字词詞行项項种種类類样樣份"
    "束朵棵株颗顆粒滴片面幅头頭匹斤克吨噸米尺寸丈里亩畝升度倍成折股所处處步秒刻吋呎磅码碼门門道题題枚起宗桩"
    "把扇顶頂身颱轮輪桌盘盤碟壶壺罐串堆堂餐招关關把趟阵陣款局票桶卷捆滩盏盞尊樽]|分(?!之)|[点點]"
    "|公[里斤分尺頃顷升吨噸]|英[里尺寸亩镑鎊]|[平立]方|[千毫厘分微纳]米|[千毫微]克|毫升|小时|小時|分[钟鐘]|[钟鐘]"
    "|[美欧歐日港韩韓]元|人民[币幣]|[千百十]?[万萬亿億]|[千百])"
)
