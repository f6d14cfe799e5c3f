"""The networks on a Ray cluster, behind our server: `serve run deploy.ray_serve:app`.

An example for who outgrows one machine and runs Ray already. Ray's replicas answer the Open
Inference Protocol's pixels as a second Ghostlens does, since each of them is one; our servers
before them decode and judge: `GHOSTLENS_REMOTE_URL=http://ray-head:8000`. Each replica needs the
package with the extra `serve`, a2wsgi, and GHOSTLENS_REPOSITORY. Keys are asked for by the servers
before them: keep Ray's port inside the cluster.
"""

from a2wsgi import WSGIMiddleware
from ray import serve

from serving.app import create_app
from serving.settings import Settings


def make_front() -> WSGIMiddleware:
    """Makes the server in the replica that asks for it: runtimes do not survive a fork."""
    settings = Settings.from_environment(None, public_scopes=("recognise",))
    return WSGIMiddleware(create_app(settings), workers=settings.threads)


@serve.deployment(
    ray_actor_options={"num_cpus": 1},
    max_ongoing_requests=17,
    autoscaling_config={"min_replicas": 1, "max_replicas": 16, "target_ongoing_requests": 3},
)
@serve.ingress(make_front)
class Networks:
    """A replica: one process, one place, as a worker of ours is."""


app = Networks.bind()
