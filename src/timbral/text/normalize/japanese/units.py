"""Units, currencies and other signs of Japanese text with what is said for them."""

import re


def _table(rows: str) -> dict[str, str]:
    return dict(row.split() for row in rows.strip().splitlines())


_PREFIXED = {
    "m": "メートル",
    "g": "グラム",
    "L": "リットル",
    "l": "リットル",
    "W": "ワット",
    "V": "ボルト",
    "A": "アンペア",
    "Hz": "ヘルツ",
    "Pa": "パスカル",
    "J": "ジュール",
    "N": "ニュートン",
    "B": "バイト",
    "bps": "ビーピーエス",
    "cal": "カロリー",
    "Wh": "ワット時",
    "Ah": "アンペアアワー",
    "s": "秒",
    "Ω": "オーム",
    "F": "ファラド",
    "Sv": "シーベルト",
    "Bq": "ベクレル",
    "mol": "モル",
    "eV": "エレクトロンボルト",
    "pc": "パーセク",
    "b": "ビット",
    "t": "トン",
    "Gy": "グレイ",
}
_PREFIXES = {
    "": "",
    "k": "キロ",
    "K": "キロ",
    "M": "メガ",
    "G": "ギガ",
    "T": "テラ",
    "P": "ペタ",
    "h": "ヘクト",
    "d": "デシ",
    "c": "センチ",
    "m": "ミリ",
    "μ": "マイクロ",
    "µ": "マイクロ",
    "n": "ナノ",
    "p": "ピコ",
}
_OTHER_WORDS = "K G M T P a c d n p F hs ds cs Ks Ms Gs Ts Ps ps db ht ct dt pt mt nt"
_NOT_UNITS = frozenset(_OTHER_WORDS.split())
"""Letters that mean something else beside a number: 4K, 5G."""
_PLAIN = _table(
    """
    % パーセント
    ‰ パーミル
    ℃ 度
    °C 度
    ° 度
    ha ヘクタール
    a アール
    cc シーシー
    dB デシベル
    ppm ピーピーエム
    ppb ピーピービー
    rpm 回転毎分
    fps エフピーエス
    dpi ディーピーアイ
    px ピクセル
    pt ポイント
    bit ビット
    in インチ
    inch インチ
    ft フィート
    fph フィート毎時
    yd ヤード
    lb ポンド
    lbs ポンド
    oz オンス
    mi マイル
    mph マイル毎時
    kn ノット
    kt ノット
    kph キロメートル毎時
    min 分
    h 時間
    hr 時間
    sec 秒
    lx ルクス
    lm ルーメン
    cd カンデラ
    rad ラジアン
    kgf 重量キログラム
    atm 気圧
    bar バール
    pH ペーハー
    kcal キロカロリー
    kWh キロワット時
    mAh ミリアンペアアワー
    KM キロメートル
    Km キロメートル
    CM センチメートル
    KG キログラム
    ML ミリリットル
    """
)
UNITS = {
    prefix + unit: spoken_prefix + spoken
    for unit, spoken in _PREFIXED.items()
    for prefix, spoken_prefix in _PREFIXES.items()
    if prefix + unit not in _NOT_UNITS
} | _PLAIN
"""Units after a number."""

PER = {
    "h": "毎時",
    "hr": "毎時",
    "s": "毎秒",
    "sec": "毎秒",
    "min": "毎分",
    "d": "毎日",
    "day": "毎日",
    "y": "毎年",
}
POWERS = {"²": "平方", "2": "平方", "^2": "平方", "³": "立方", "3": "立方", "^3": "立方"}
_ANY = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
_LENGTHS = "|".join(
    sorted((unit for unit in UNITS if UNITS[unit].endswith("メートル")), key=len, reverse=True)
)
_TIMES = "|".join(sorted(PER, key=len, reverse=True))
_POWER = r"\^?[23]|[²³]"
UNIT = re.compile(
    rf"(?<=[0-9]) ?(?:(?P<length>{_LENGTHS})(?P<power>{_POWER})|(?P<unit>{_ANY}))"
    rf"(?:/(?P<per>{_TIMES}|(?P<other>{_ANY})|(?P<volume>{_LENGTHS})(?P<per_power>{_POWER})))?(?![A-Za-z0-9])"
)
"""A unit after a number, with a power or another unit under a stroke."""
UNIT_NAME = f"(?P<name>{_ANY})(?![A-Za-z0-9])"

CURRENCY_SIGNS = {
    "US$": "ドル",
    "A$": "オーストラリアドル",
    "C$": "カナダドル",
    "HK$": "香港ドル",
    "NT$": "台湾ドル",
    "S$": "シンガポールドル",
    "$": "ドル",
    "¥": "円",
    "￥": "円",
    "€": "ユーロ",
    "£": "ポンド",
    "₩": "ウォン",
    "₹": "ルピー",
    "₽": "ルーブル",
    "฿": "バーツ",
    "₫": "ドン",
    "₱": "ペソ",
    "₿": "ビットコイン",
}
CURRENCY_CODES = _table(
    """
    USD アメリカドル
    JPY 円
    EUR ユーロ
    GBP ポンド
    CNY 人民元
    RMB 人民元
    HKD 香港ドル
    TWD 台湾ドル
    KRW ウォン
    CAD カナダドル
    AUD オーストラリアドル
    NZD ニュージーランドドル
    SGD シンガポールドル
    CHF スイスフラン
    INR インドルピー
    THB タイバーツ
    VND ベトナムドン
    RUB ルーブル
    BTC ビットコイン
    """
)

OPERATORS = {
    "+": "プラス",
    "-": "マイナス",
    "*": "かける",
    "×": "かける",
    "x": "かける",
    "/": "わる",
    "÷": "わる",
    "=": "イコール",
    "≠": "ノットイコール",
    "≒": "ニアリーイコール",
    "≈": "ニアリーイコール",
    ">": "大なり",
    "<": "小なり",
    "≥": "大なりイコール",
    "≧": "大なりイコール",
    ">=": "大なりイコール",
    "≤": "小なりイコール",
    "≦": "小なりイコール",
    "<=": "小なりイコール",
    "±": "プラスマイナス",
    "√": "ルート",
}
SIGNS = {
    "℃": "度",
    "°": "度",
    "℉": "華氏",
    "№": "ナンバー",
    "℡": "電話",
    "〒": "郵便番号",
    "‰": "パーミル",
    "∞": "無限大",
    "π": "パイ",
    "±": "プラスマイナス",
    "√": "ルート",
    "×": "かける",
    "÷": "わる",
    "＋": "プラス",
    "≒": "ニアリーイコール",
    "@": "アットマーク",
    "€": "ユーロ",
    "£": "ポンド",
    "¥": "円",
    "$": "ドル",
    "α": "アルファ",
    "β": "ベータ",
    "γ": "ガンマ",
    "δ": "デルタ",
    "ε": "イプシロン",
    "θ": "シータ",
    "λ": "ラムダ",
    "μ": "ミュー",
    "σ": "シグマ",
    "τ": "タウ",
    "φ": "ファイ",
    "ψ": "プサイ",
    "ω": "オメガ",
    "Σ": "シグマ",
    "Δ": "デルタ",
    "Ω": "オメガ",
    "Φ": "ファイ",
}
