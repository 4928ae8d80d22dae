"""Our own fixed table of media types: the same answer on every machine, from the last extension alone."""

from asgi_downloads.http.message import Header

OCTET_STREAM = b"application/octet-stream"

_TYPES = {
    "application/epub+zip": "epub",
    "application/geo+json": "geojson",
    "application/gzip": "gz tgz taz svgz",  # the file as it is; what is inside is not ours to say (RFC 9110 §8.4)
    "application/java-archive": "jar",
    "application/json": "json map",
    "application/manifest+json": "webmanifest",
    "application/msword": "doc dot wiz",
    "application/n-quads": "nq",
    "application/n-triples": "nt",
    "application/oda": "oda",
    "application/ogg": "ogx",
    "application/pdf": "pdf",
    "application/pkcs7-mime": "p7c",
    "application/postscript": "ps ai eps",
    "application/rtf": "rtf",
    "application/sql": "sql",
    "application/trig": "trig",
    "application/vnd.android.package-archive": "apk",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.apple.mpegurl": "m3u m3u8",
    "application/vnd.debian.binary-package": "deb",
    "application/vnd.ms-excel": "xls xlb",
    "application/vnd.ms-powerpoint": "ppt pot ppa pps pwz",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.rar": "rar",
    "application/vnd.sqlite3": "sqlite sqlite3",
    "application/wasm": "wasm",
    "application/x-7z-compressed": "7z",
    "application/x-bzip2": "bz2 tbz2",
    "application/x-cpio": "cpio",
    "application/x-csh": "csh",
    "application/x-dvi": "dvi",
    "application/x-gtar": "gtar",
    "application/x-hdf": "hdf",
    "application/x-hdf5": "h5",
    "application/x-iso9660-image": "iso",
    "application/x-latex": "latex",
    "application/x-ndjson": "ndjson jsonl",
    "application/x-netcdf": "cdf nc",
    "application/x-pkcs12": "p12 pfx",
    "application/x-python-code": "pyc pyo",
    "application/x-sh": "sh",
    "application/x-shar": "shar",
    "application/x-tar": "tar",
    "application/x-tcl": "tcl",
    "application/x-tex": "tex",
    "application/x-texinfo": "texi texinfo",
    "application/x-troff": "roff t tr",
    "application/x-troff-man": "man",
    "application/x-ustar": "ustar",
    "application/x-xz": "xz txz",
    "application/xhtml+xml": "xhtml xht",
    "application/xml": "xml xsl rdf wsdl xpdl",
    "application/atom+xml": "atom",
    "application/dash+xml": "mpd",
    "application/gpx+xml": "gpx",
    "application/rss+xml": "rss",
    "application/vnd.google-earth.kml+xml": "kml",
    "application/zip": "zip",
    "application/zstd": "zst",
    "audio/3gpp": "3gp 3gpp",
    "audio/3gpp2": "3g2 3gpp2",
    "audio/aac": "aac adts loas ass",
    "audio/basic": "au snd",
    "audio/flac": "flac",
    "audio/midi": "mid midi",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3 mp2",
    "audio/ogg": "ogg oga",
    "audio/opus": "opus",
    "audio/x-aiff": "aif aifc aiff",
    "audio/x-wav": "wav",
    "font/otf": "otf",
    "font/ttf": "ttf",
    "font/woff": "woff",
    "font/woff2": "woff2",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/ief": "ief",
    "image/jpeg": "jpg jpe jpeg",
    "image/jxl": "jxl",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tif tiff",
    "image/vnd.adobe.photoshop": "psd",
    "image/vnd.microsoft.icon": "ico",
    "image/webp": "webp",
    "image/x-portable-anymap": "pnm",
    "image/x-portable-bitmap": "pbm",
    "image/x-portable-graymap": "pgm",
    "image/x-portable-pixmap": "ppm",
    "image/x-rgb": "rgb",
    "image/x-xbitmap": "xbm",
    "image/x-xpixmap": "xpm",
    "message/rfc822": "eml mht mhtml nws",
    "text/calendar": "ics",
    "text/css": "css",
    "text/csv": "csv",
    "text/html": "html htm",
    "text/javascript": "js mjs",
    "text/markdown": "md markdown",
    "text/n3": "n3",
    "text/plain": "txt bat c h ksh pl srt log",
    "text/richtext": "rtx",
    "text/tab-separated-values": "tsv",
    "text/turtle": "ttl",
    "text/vcard": "vcf",
    "text/vtt": "vtt",
    "text/x-python": "py",
    "text/x-setext": "etx",
    "text/x-sgml": "sgm sgml",
    "video/mp2t": "ts",
    "video/mp4": "mp4 m4v",
    "video/mpeg": "mpeg m1v mpa mpe mpg",
    "video/ogg": "ogv",
    "video/quicktime": "mov qt",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
}


def content_type(media_type: str) -> bytes:
    """The Content-Type for a media type: text is UTF-8 unless it says otherwise."""
    if media_type.startswith("text/") and "charset=" not in media_type.lower():
        media_type += "; charset=utf-8"
    return media_type.encode("latin-1")


_BY_EXTENSION = {
    extension: content_type(media_type) for media_type, extensions in _TYPES.items() for extension in extensions.split()
}
_PREVIEWED = {extension: _BY_EXTENSION[extension] for extension in ("pdf", "png", "jpg", "jpeg", "gif", "mp4", "txt")}


def guess(filename: str) -> bytes:
    """The Content-Type for a name, by its last extension in any case; octet-stream when that says nothing."""
    return _BY_EXTENSION.get(_extension(filename), OCTET_STREAM)


def for_preview(filename: str) -> bytes:
    """The Content-Type for a name of the seven kinds that a preview shows; octet-stream for all others."""
    return _PREVIEWED.get(_extension(filename), OCTET_STREAM)


def _extension(filename: str) -> str:
    stem, _, extension = filename.rpartition(".")
    return extension.lower() if stem.strip(".") else ""  # ".txt" is a name, not an extension


NOSNIFF: Header = (b"x-content-type-options", b"nosniff")
SANDBOX: Header = (
    b"content-security-policy",
    b"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; sandbox",
)

_ACTIVE = (b"text/html", b"application/xhtml+xml", b"image/svg+xml", b"message/rfc822", b"multipart/related")


def is_active(content_type: bytes) -> bool:
    """Whether a browser that shows the content would run script in it: HTML, SVG, any XML, saved web pages."""
    media_type = content_type.partition(b";")[0].strip().lower()
    return media_type in _ACTIVE or media_type.endswith((b"/xml", b"+xml", b"/xsl"))


def inline_fields(content_type: bytes) -> tuple[Header, ...]:
    """What goes with content that others wrote and a browser shows: no guessing, and a sandbox for what can act."""
    return (NOSNIFF, SANDBOX) if is_active(content_type) else (NOSNIFF,)
