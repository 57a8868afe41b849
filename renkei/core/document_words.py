"""What CRM users are told of documents, in English and in Japanese: why not, kinds, rights.

Commands print both; a page shows the one of its reader's language.
"""

from __future__ import annotations

from collections.abc import Mapping

from renkei.core.errors import DocumentRefused

Both = tuple[str, str]  # English, Japanese

NOUNS: Mapping[str, Both] = {
    "estimates": ("estimates", "見積書"),
    "sales_orders": ("sales orders", "受注書"),
    "invoices": ("invoices", "請求書"),
    "purchase_orders": ("purchase orders", "発注書"),
    "receivables": ("the summary of receivables", "売掛金の概要"),
    "view": ("view", "表示"),
    "create": ("create", "作成・編集"),
    "email": ("email", "メール"),
    "View": ("View", "閲覧"),
    "Create": ("Create", "作成"),
    "Edit": ("Edit", "編集"),
    "Delete": ("Delete", "削除"),
}  # fmt: skip

# Why someone may not: the first four leave a row `denied` in the ledger, the others `refused`.
DENIALS = ("unknown_user", "profile_not_named", "permission_missing", "crm_tab")
REASONS: Mapping[str, Both] = {
    "unknown_user": (
        "no profile and no active user of the CRM is called {name}",
        "CRM に「{name}」という権限プロファイルも有効なユーザーも見つかりません",
    ),
    "profile_not_named": (
        "the profile {profile} is not named in `permissions`, so it has no right to any document",
        "権限プロファイル「{profile}」は `permissions` に記載がないため、書類に関する権限がありません",
    ),
    "permission_missing": (
        "`permissions` do not give the profile {profile} the right `{right}` for {kind}",
        "`permissions` では、権限プロファイル「{profile}」に{kind}の「{right}」の権限がありません",
    ),
    "crm_tab": (
        "the profile {profile} lacks the right `{right}` on the Invoices tab of the CRM",
        "権限プロファイル「{profile}」には、CRM の請求書タブの「{right}」の権限がありません",
    ),
    "not_connected": (
        "not_connected: {detail}",
        "not_connected: この接続は現在利用できません。管理者にお問い合わせください",
    ),
    "not_in_edition": (
        "{kind} are available with Zoho Books only; this connection is to Zoho Invoice",
        "{kind}は Zoho Books でのみ利用できます。この接続先は Zoho Invoice です",
    ),
    "switched_off": (
        "{kind} are switched off in the Books organisation; an administrator can enable them in its settings",
        "{kind}は Books の組織で無効になっています。Books の設定で管理者が有効にできます",
    ),
    "not_found": ("{record} is not there", "{record} は存在しません"),
    "nothing_said": (
        "to send, say the template and the recipients: --template ID --to crm:Contacts:ID",
        "送信するには、テンプレートと宛先を指定してください:--template ID --to crm:Contacts:ID",
    ),
    "no_such_template": (
        "there is no e-mail template {template}; there are {there}",
        "メールテンプレート {template} はありません。利用できるもの:{there}",
    ),
    "no_contact": ("{record} is no contact of the CRM", "{record} は CRM の連絡先ではありません"),
    "no_address": ("{record} has no e-mail address", "{record} にメールアドレスがありません"),
    "empty_mail": (
        "the template gives no subject or no body, and an empty e-mail is never sent",
        "テンプレートの件名または本文が空です。空のメールは送信しません",
    ),
    "already_sent": (
        "{record} was sent to these recipients by this template, and it has not changed since; to send it once more: --again",
        "{record} は同じテンプレートで同じ宛先に送信済みで、その後変更されていません。"
        "もう一度送信する場合は --again を付けてください",
    ),
    "email_unknown": (
        "the e-mail left and no answer came, and Books does not show whether it was sent; nothing is sent until a person has "
        "answered the question: renkei holds",
        "メールの送信を依頼しましたが応答がなく、送信されたかどうか Books でも確認できません。"
        "担当者が質問に答えるまで送信しません:renkei holds",
    ),
    "email_in_doubt": (
        "whether an earlier e-mail of this document was sent is not known yet; answer the question first: renkei holds",
        "この書類の以前のメールが送信されたかどうか未確認です。先に質問に答えてください:renkei holds",
    ),
    "email_was_sent": (
        "a person answered that the earlier e-mail was sent; to send another one, ask once more",
        "以前のメールは送信済みであると担当者が回答しました。別途送信する場合は、もう一度実行してください",
    ),
    "books_refused": ("Books refused it: {words}", "Books に拒否されました:{words}"),
    "not_from_deal": (
        "a document is made for an account or a contact, not from a deal",
        "書類は取引先または連絡先に対して作成します。商談からは作成できません",
    ),
    "no_customer": (
        "{record} has no customer in Books, and syncing it made none; see: renkei why {record}",
        "{record} に対応する Books の顧客がなく、同期しても作成されませんでした。参照:renkei why {record}",
    ),
    "invalid": ("the form is wrong: {faults}", "入力に誤りがあります:{faults}"),
    "period_closed": (
        "refused: period_closed: the books are closed until {until}",
        "refused: period_closed: {until} までの期間は締め切られています",
    ),
    "paid": ("{record} is paid, and is not edited any more", "{record} は支払い済みのため編集できません"),
    "void": ("{record} is void, and is not edited any more", "{record} は無効のため編集できません"),
    "invoiced": ("{record} is invoiced, and is not edited any more", "{record} は請求済みのため編集できません"),
    "closed": ("{record} is closed, and is not edited any more", "{record} は完了しているため編集できません"),
    "stale": (
        "{record} has changed since it was seen; look at it again",
        "{record} は表示した後に変更されています。もう一度確認してください",
    ),
    "never_kept": (
        "purchase orders are always read from Books on the spot; there is nothing to refresh",
        "発注書は常に Books から直接読み込みます。更新の必要はありません",
    ),
    "no_deal": ("{record} is no deal of the CRM", "{record} は CRM の商談ではありません"),
    "not_attached": ("{record} does not belong to {deal}", "{record} は {deal} に属していません"),
    "not_a_party": (
        "{record} is neither an account, a contact or a deal of the CRM nor a customer of Books",
        "{record} は CRM の取引先・連絡先・商談でも、Books の顧客でもありません",
    ),
    "not_a_document": (
        "{record} is no document; write books:invoices:ID, books:estimates:ID, books:salesorders:ID or books:purchaseorders:ID",
        "{record} は書類ではありません。books:invoices:ID、books:estimates:ID、books:salesorders:ID、"
        "books:purchaseorders:ID のいずれかを指定してください",
    ),
}  # fmt: skip


def said(reason: str, **values: str | Both) -> Both:
    """The reason in both languages. A value that is a kind or a right is said in each language's own word; a pair is said as it
    is."""
    english, japanese = REASONS[reason]
    nouns = {name: NOUNS.get(value, (value, value)) if isinstance(value, str) else value for name, value in values.items()}
    return (
        english.format(**{name: words[0] for name, words in nouns.items()}),
        japanese.format(**{name: words[1] for name, words in nouns.items()}),
    )


def refusal(connection: str, actor: str, verb: str, reason: str, **values: str | Both) -> DocumentRefused:
    """The error that tells a CRM user why not."""
    english, japanese = said(reason, **values)
    return DocumentRefused(connection, actor, verb, reason, f"documents {verb}: {english}.", f"{japanese}。")
