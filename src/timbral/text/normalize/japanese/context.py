"""Patterns that the rules of Japanese normalisation share."""

from timbral.text.scripts import HAN, KANA, LATIN

KATAKANA = "ァ-ヺー"
WORD = f"{HAN}{KANA}{LATIN}"
NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,8}|\d{1,30})(?:\.\d{1,30})?"
COUNTER = (
    "年|月|日|時|分|秒|週|人|名|個|本|枚|匹|頭|羽|台|冊|回|度|歳|才|階|円|ドル|ユーロ|倍|割|点|位|番|号|章|話|巻|頁|件|社|校|種|"
    "問|組|世紀|代|[かカヶケ箇][月国所条年村]|平方|立方|歩|泊|杯|食|畳|坪|十|百|千|万|億|兆|つ|行|桁|文字|列|戸|軒|着|足|切れ|箱|"
    "袋|皿|玉|粒|ポイント|ページ|キロ|メートル|センチ|ミリ|グラム|トン|リットル|パーセント|ヘルツ|ワット|カロリー|バイト|メガ|ギガ|"
    "インチ|ドット|%|℃|°|[a-zμ]{1,2}m(?![a-z])|k?g(?![a-z])|m?[lL](?![a-z])|[KMGT]B"
)
"""What may follow a number and makes it a quantity."""
