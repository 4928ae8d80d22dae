"""Starlette and aiobotocore: what one finds when one asks how to stream an object; ranges and conditions passed on."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.session import get_session
from botocore.config import Config
from botocore.exceptions import ClientError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

_CHUNK = 64 << 10
_PASSED_ON = {"range": "Range", "if-none-match": "IfNoneMatch"}
_FIELDS = ("content-length", "content-range", "etag", "last-modified", "accept-ranges")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    session = get_session()
    config = Config(s3={"addressing_style": "path"}, max_pool_connections=300)
    async with session.create_client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], config=config) as client:
        app.state.client = client
        yield


async def download(request: Request) -> Response:
    asked: dict[str, Any] = {
        parameter: request.headers[name] for name, parameter in _PASSED_ON.items() if name in request.headers
    }
    key = f"downloads/{request.path_params['filename']}"
    try:
        found = await request.app.state.client.get_object(Bucket="bench", Key=key, **asked)
    except ClientError as error:
        return Response(status_code=error.response["ResponseMetadata"]["HTTPStatusCode"])
    answer = found["ResponseMetadata"]
    fields = {name: answer["HTTPHeaders"][name] for name in _FIELDS if name in answer["HTTPHeaders"]}

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in found["Body"].iter_chunks(_CHUNK):
            yield chunk

    return StreamingResponse(chunks(), answer["HTTPStatusCode"], fields, "application/octet-stream")


app = Starlette(routes=[Route("/download/{filename}", download)], lifespan=lifespan)
